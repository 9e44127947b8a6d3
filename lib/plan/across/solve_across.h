// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "plan/plan.h"
#include "plan/problem.h"
#include "plan/solve.h"

namespace saturn {

/// Solves a problem whose tasks run on one node each.
using NodeSolver = std::function<Plan(const Problem&, const SolveOptions&)>;

/// Solves a problem in which some tasks can, or must, run across nodes; whatever its budget. Which ones do,
/// as what and when comes from annealing the order of a list scheduling of all tasks (list_scheduling.h).
/// With these in their places what is left is a problem of single nodes, which `on_nodes` solves (reduced, in
/// gangs.h): gangs across nodes that begin as soon as their devices are free are but later releases to it.
/// The two take turns. The bound is that of the relaxation (relaxation.h). Lines, makespan, bounds and
/// methods of the plan are set. Errors: as of `solve`.
Plan solve_across(const Problem& problem, const SolveOptions& options, const NodeSolver& on_nodes);

}  // namespace saturn
