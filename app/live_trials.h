// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "run/live_trials.h"
#include "stages.h"

namespace saturn {

/// The trials of a session that goes on: what the cache does not know is measured by gangs in the run's
/// launcher, as `saturn profile` does it, and goes into the cache and the run's profile.json.
class SessionTrials final : public LiveTrials {
 public:
  /// All but the session are not owned and outlive it.
  SessionTrials(Session session, const CommonOptions& options, InterruptGuard& interrupts, Launcher& launcher,
                const Clock& clock)
      : session_(std::move(session)),
        options_(options),
        interrupts_(interrupts),
        launcher_(launcher),
        clock_(clock) {}

  std::vector<Need> needs(const std::vector<TaskSpec>& tasks, const Cluster& cluster) override;
  void begin(const Cluster& lent) override;
  void go_on() override;
  void handle(const GangNews& news) override;
  Seconds until_next() const override;
  void cancel() override;
  std::optional<std::string> ended() override;
  void complete(RunSetup& setup) const override;

 private:
  Session session_;  ///< of the cluster that the run has now
  const CommonOptions& options_;
  InterruptGuard& interrupts_;
  Launcher& launcher_;
  const Clock& clock_;
  KnownFigures known_;  ///< of the tasks that were asked for last
  std::optional<RunLock> lock_;
  std::unique_ptr<TrialRunner> runner_;
};

}  // namespace saturn
