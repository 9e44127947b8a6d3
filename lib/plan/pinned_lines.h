// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plan/plan.h"
#include "plan/problem.h"

namespace saturn {

/// Turns the plan's pinned lines into pins of the problem, so that a solve keeps them: configuration, node
/// and devices, and the start unless the line leaves it out. Errors: InputError with every pinned line that
/// names a task, node, devices or configuration which the problem does not have, is there twice, or is at the
/// same time on the same devices as another.
void apply_pins(Problem& problem, const Plan& plan);

}  // namespace saturn
