// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "report/progress.h"
#include "run/executor.h"

namespace saturn {

/// Shows a run on standard error: a bar on a terminal, a line per interval elsewhere, messages as they come.
class RunView final : public RunObserver {
 public:
  explicit RunView(std::vector<TaskSpec> tasks);
  void message(const std::string& text) override;
  void update(const RunState& state, const Plan& plan) override;
  void finish() { progress_.finish(); }

 private:
  std::string time_left(double fraction, int session);

  std::vector<TaskSpec> tasks_;
  SteadyClock clock_;
  Progress progress_;
  int session_ = 0;
  Seconds began_at_{0};
  double began_with_ = 0;
};

}  // namespace saturn
