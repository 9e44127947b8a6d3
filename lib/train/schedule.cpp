// SPDX-License-Identifier: Apache-2.0
#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace saturn {
namespace {

/// 0 right after the warm-up, 1 at the last step.
double progress(const Schedule& schedule, std::int64_t step, std::int64_t total_steps) {
  const std::int64_t span = total_steps - 1 - schedule.warmup_steps;
  if (span <= 0) return 1;
  return std::clamp(static_cast<double>(step - schedule.warmup_steps) / static_cast<double>(span), 0.0, 1.0);
}

}  // namespace

double learning_rate(const Schedule& schedule, double base, std::int64_t step, std::int64_t total_steps) {
  if (step < schedule.warmup_steps)
    return base * static_cast<double>(step + 1) / static_cast<double>(schedule.warmup_steps);
  if (schedule.kind == "constant") return base;
  const double done = progress(schedule, step, total_steps);
  const double left = schedule.kind == "cosine" ? 0.5 * (1 + std::cos(std::numbers::pi * done)) : 1 - done;
  return base * (schedule.final_fraction + (1 - schedule.final_fraction) * left);
}

}  // namespace saturn
