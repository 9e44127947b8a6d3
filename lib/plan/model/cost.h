// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "plan/model/schedule.h"

namespace saturn {

/// What a walk over sequences makes small: the sum over the nodes of what each one's sequence costs, a
/// weighting of what is known of it. Every objective is one of these.
struct NodeCost {
  Millis limit = 0;        ///< up to here a node may run for nothing
  double over = 0;         ///< per millisecond of its end beyond the limit
  double free = 0;         ///< per millisecond of NodeFinish::free_sum
  double area = 0;         ///< per device-millisecond of its tasks
  double completions = 0;  ///< per millisecond of a task's end

  double of(const NodeFinish& finish) const {
    return over * static_cast<double>(std::max<Millis>(0, finish.finish - limit)) + free * finish.free_sum +
           area * static_cast<double>(finish.area) + completions * finish.completions;
  }
};

}  // namespace saturn
