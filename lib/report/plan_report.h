// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "plan/plan.h"
#include "plan/solve_progress.h"
#include "report/style.h"

namespace saturn {

/// A line per task: parallelism, knobs, node, devices, start, end and whether it is pinned.
std::string plan_table(const Plan& plan, const Style& style);

/// How good the plan is: makespan, or what else it was to make least, lower bound, "proven optimal" or the
/// gap, or by how much a deadline is missed and whether it had to be; what found and proved it; the device
/// time and the tasks' mean end, what ends within a budget, and the baseline beside it. A line each.
std::string plan_summary(const Plan& plan);

/// How far the plan comes in an allocation that ends after so many seconds: "7 of 12 tasks end in it, 2 are
/// under way then, 3 are left for later".
std::string how_far(const Plan& plan, double seconds);

/// Of a solve under way: "makespan 1:54, lower bound 1:50: gap 3.51 % (annealing; lanes)".
std::string solve_text(const SolveProgress& progress);

/// What changes from one plan to the other: the makespans, then a line per task that is new, gone or placed
/// elsewhere, and the number of those that stay.
std::string compare_plans(const Plan& before, const Plan& after, const Style& style);

}  // namespace saturn
