// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "plan/solve.h"
#include "replan/remaining.h"
#include "run/executor.h"

namespace saturn {

/// One look at a run (paper, Algorithm 2): solves what is left once, every running gang free to stay or to
/// move, and proposes that plan if it is better than the current one by more than `threshold` of what is left
/// (of time, or what else the objective counts). Moves that do not pay are taken back first: all of them,
/// else one by one, what is left is solved again with that gang staying, and that plan is taken instead if
/// it, too, is better than the current one by more than the threshold, and not worse than the first by more
/// than that. The lower bound is always that of what is left, whoever stays. Half of the time limit is for
/// the first solve, which ends as soon as no plan can be better by that much. Where the current plan cannot
/// be carried out any more (devices lost, ways ruled out) the best one is proposed whatever it takes. Pure
/// but for the time the solver takes.
Proposal reconsider(const RemainingInputs& inputs, const std::string& reason, double threshold,
                    const SolveOptions& options);

/// Looks at the run in a thread of its own while training goes on.
class BackgroundIntrospector final : public Introspector {
 public:
  /// `done` is called from the thread when a look is over (to wake the executor up).
  /// `profile` is asked at the beginning and when the tasks of the run have changed.
  BackgroundIntrospector(std::function<Profile()> profile, Seconds time_limit, std::function<void()> done);
  BackgroundIntrospector(const BackgroundIntrospector&) = delete;
  BackgroundIntrospector& operator=(const BackgroundIntrospector&) = delete;
  ~BackgroundIntrospector() override;

  void consider(const RunSetup& setup, const RunState& state, const Plan& current,
                const std::string& reason) override;
  std::optional<Proposal> take() override;
  void tasks_changed() override;

 private:
  void end_look();

  std::function<Profile()> read_profile_;
  Profile profile_;
  Seconds time_limit_;
  std::function<void()> done_;
  std::atomic<bool> cancel_{false};
  std::atomic<bool> finished_{false};
  std::optional<Proposal> proposal_;  ///< written by the thread before `finished_`, read after it
  std::thread thread_;
};

}  // namespace saturn
