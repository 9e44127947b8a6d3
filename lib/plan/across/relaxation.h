// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "plan/model/instance.h"
#include "plan/problem.h"

namespace saturn {

/// An instance for bounds, regular: a gang across nodes is an option of as many devices on as many nodes
/// (Option::across), usable wherever its kind is and at any time, on nodes that need know nothing of each
/// other. What bound_by_area, widths, lanes and the bounds of other objectives prove of it holds for every
/// plan of the problem; no method makes plans of it, and the master program does not know such options.
/// `with_pinned`: gangs across nodes that are pinned to start and devices are there, as one task for each
/// part; else they are left out, which is what a bound on a sum over tasks needs. Errors: InputError, as
/// make_instance.
Instance relaxation(const Problem& problem, bool with_pinned);

/// Where no task has a choice between running across nodes and something else: the instance in which each
/// part of such a gang is a task of its own, regular and an instance like any other, so that all bounds hold,
/// the exact method's too. Empty where some task has. Errors: as above.
std::optional<Instance> pieces(const Problem& problem);

/// Whether the task is a gang across nodes that is pinned to start, nodes and devices.
bool is_pinned_across(const ProblemTask& task);

}  // namespace saturn
