// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "report/live_view.h"
#include "report/progress.h"
#include "report/standing_lines.h"
#include "run/executor.h"

namespace saturn {

/// Shows a run on standard error: a live view on a terminal, a line per interval elsewhere, messages as they
/// come.
class RunView final : public RunObserver {
 public:
  RunView(std::vector<TaskSpec> tasks, const Cluster& cluster);
  void message(const std::string& text) override;
  void tasks_changed(const std::vector<TaskSpec>& tasks) override { tasks_ = tasks; }
  void cluster_changed(const Cluster& cluster) override { devices_ = device_counts(cluster); }
  void update(const RunState& state, const Plan& plan) override;
  /// The last update; other output may follow.
  void finish(const RunState& state, const Plan& plan);

 private:
  void show(const RunState& state, const Plan& plan);

  const bool terminal_;
  std::vector<TaskSpec> tasks_;
  std::map<std::string, int> devices_;
  SteadyClock clock_;
  Progress progress_;    ///< without a terminal
  StandingLines lines_;  ///< on one
  int session_ = 0;
  Seconds began_at_{0};
  std::optional<Seconds> shown_at_;
};

}  // namespace saturn
