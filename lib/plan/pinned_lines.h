// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plan/plan.h"
#include "plan/problem.h"

namespace saturn {

/// The parts of a line that the pin keeps. With configuration and devices the order is one of them.
PinnedParts pinned_parts(const Pin& pin);

/// Turns what is pinned of the plan's lines into pins of the problem, so that a solve keeps it. A pinned
/// start that the line leaves out stands for its order. Errors: InputError with every pinned line that names
/// a task, node, devices or configuration which the problem does not have, is there twice, or is at the same
/// time on the same devices as another, or is to start before one that is pinned to run before it can end.
void apply_pins(Problem& problem, const Plan& plan);

}  // namespace saturn
