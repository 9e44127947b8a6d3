// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "plan/model/instance.h"
#include "plan/plan.h"
#include "plan/problem.h"

namespace saturn {

/// A task with its place and time, on one node or several.
struct Gang {
  int task = 0;           ///< index into Problem::tasks
  int configuration = 0;  ///< or kStays
  Millis start = 0;
  Millis duration = 0;
  std::vector<GangPart> parts;  ///< rank 0's first; devices ascending

  Millis end() const { return start + duration; }
};

const Configuration& configuration_of(const Problem& problem, const Gang& gang);

/// The configurations that the task's pin allows: the pinned one, or, where nodes are pinned, those for as
/// many nodes, and with pinned devices, for as many of them.
std::vector<int> ways_within_pin(const ProblemTask& task);

/// Appends to `errors` what is wrong with configurations across nodes, with pins to several nodes, and with
/// gangs on several nodes that run already. What concerns one node alone is `make_instance`'s to find.
void check_across(const Problem& problem, std::vector<std::string>& errors);

/// The lines alone.
Plan plan_of(const Problem& problem, const std::vector<Gang>& gangs);

/// A problem without gangs across nodes.
struct Reduced {
  Problem problem;
  /// Per task of it: the task that it is of, and which part.
  std::vector<std::pair<int, int>> origin;
};

/// What is left to decide when these gangs are where they are: each of their parts is a task pinned to its
/// start and devices, and the others run on one node each. Every task that is to run across nodes must be
/// among the gangs, and every task that one of them is pinned to follow.
Reduced reduced(const Problem& problem, const std::vector<Gang>& gangs);

/// The problem's plan, from one of the reduced problem. The lines alone.
Plan joined(const Problem& problem, const Reduced& reduced, const Plan& plan);

}  // namespace saturn
