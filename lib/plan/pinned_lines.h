// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plan/plan.h"
#include "plan/problem.h"

namespace saturn {

/// Turns the plan's pinned lines into pins of the problem, so that a solve keeps them: configuration, node
/// and devices, and the start, or, of a line that is pinned to its order or leaves the start out, its place
/// among the pinned lines on its devices. Errors: InputError with every pinned line that
/// names a task, node, devices or configuration which the problem does not have, is there twice, or is at the
/// same time on the same devices as another, or is to start before one that is pinned to run before it can
/// end.
void apply_pins(Problem& problem, const Plan& plan);

}  // namespace saturn
