// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "plan/solve_progress.h"
#include "report/progress.h"

namespace saturn {

/// Shows on standard error how a solve comes on, from its construction to its end: a bar of the time limit on
/// a terminal, a line per interval elsewhere. A solve that is over at once shows nothing.
class PlanView {
 public:
  explicit PlanView(Seconds time_limit);
  PlanView(const PlanView&) = delete;
  PlanView& operator=(const PlanView&) = delete;
  ~PlanView();

  /// From any thread.
  void show(const SolveProgress& now);

 private:
  void draw_until_over();

  SteadyClock clock_;
  Progress progress_;  ///< the drawing thread's
  Seconds time_limit_;
  Seconds begun_;
  bool terminal_;
  std::mutex mutex_;  ///< of all below
  std::condition_variable over_changed_;
  bool over_ = false;
  SolveProgress latest_;
  std::thread drawer_;  ///< last: it uses all above
};

}  // namespace saturn
