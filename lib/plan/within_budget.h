// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>

#include "plan/solve.h"

namespace saturn {

/// Whether everything that is planned ends within the budget. Pure.
bool fits(const Plan& plan, const Budget& budget);

/// The tasks that end within the budget by the plan's lines, if those that are marked as beyond it take
/// nothing that the others need. Pure.
std::set<std::string> ending_within(const Plan& plan, const Budget& budget);

/// Plans for a budget (Problem::budget, limited). If everything can end within it, that plan: by the
/// objective, or if only device time is short, of little device time. Else as many tasks as possible end
/// within it, those of the least device time first (with one common deadline, and for device time alone, the
/// shortest first are the most; where gangs do not fit so, some are exchanged). They take little device time
/// and, where that is possible, a tenth of the time less than there is. The others are marked
/// (Assignment::beyond_budget) and planned behind them, for early ends. Tasks with pins, and those that can
/// only stay as they run, are among the first whatever that costs; where even they do not end in time, the
/// plan is the one without a budget. Errors: as of `solve`, which is what calls this.
Plan solve_within(const Problem& problem, const SolveOptions& options);

}  // namespace saturn
