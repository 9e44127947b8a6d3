// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plan/model/instance.h"

namespace saturn {

/// Device time of the pinned tasks that are placed.
Millis fixed_device_time(const Instance& instance);

/// No plan that ends by `limit` takes less device time: every task as the option of least device time among
/// those that can end by then. Pinned tasks that are placed count as they are. 0 when some task cannot end
/// by then at all: then there is no such plan. Needs a regular instance, or a `relaxed` one.
Millis least_device_time(const Instance& instance, Millis limit);

/// No plan has a smaller sum of the tasks' ends; the largest of three bounds (formulas and sources in
/// completion_bound.cpp). Some 0.1 s for hundreds of tasks; above, a weaker and quicker one. Needs a regular
/// instance, or a `relaxed` one.
double least_completions(const Instance& instance);

}  // namespace saturn
