// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

#include "base/units.h"
#include "plan/model/solver_use.h"
#include "plan/plan.h"
#include "plan/problem.h"
#include "plan/solve_progress.h"

namespace saturn {

struct SolveOptions {
  Seconds time_limit{10};
  double gap = 0;  ///< stop when the relative gap is at most this
  std::uint64_t seed = 0;
  std::int64_t work =
      0;            ///< steps (deadline.h) after which to stop, the same on every machine; 0 = any number
  int threads = 1;  ///< side by side; with `work` it is always one
  const std::atomic<bool>* cancel =
      nullptr;                      ///< set by another thread: the best plan so far is returned; not owned
  const Plan* incumbent = nullptr;  ///< a plan already known (replanning); not owned
  /// Called with every better plan and every better bound, by whichever thread found it, one at a time. Must
  /// be quick: the search waits for it.
  OnProgress on_progress{};
  SolverUse* solver_use = nullptr;  ///< what CBC takes is added to it; not owned
};

/// Solves SPASE. Of plans that end as early, one of little device time is taken, and of those one of early
/// ends; that these are least is not proven. The returned plan has passed check_plan; hashes and file are
/// left empty. Errors: InputError when a task has no configuration that fits, or pins contradict each other
/// (all of them, with the reason). With a
/// budget that not everything can end in, `solve_within` (within_budget.h).
Plan solve(const Problem& problem, const SolveOptions& options);

}  // namespace saturn
