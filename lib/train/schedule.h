// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "workload/task.h"

namespace saturn {

/// The learning rate of step number `step` (0-based, `total_steps` in all). During the warm-up it grows
/// linearly and reaches `base` at its last step; the first step already moves (base / warmup_steps). After
/// it: constant, or a straight line, or half a cosine from `base` down to `final_fraction` x base at the last
/// step. Pure.
double learning_rate(const Schedule& schedule, double base, std::int64_t step, std::int64_t total_steps);

}  // namespace saturn
