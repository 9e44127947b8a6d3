// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "plan/model/deadline.h"
#include "plan/model/score.h"
#include "plan/model/search.h"

namespace saturn {

/// The best plan found for an objective other than the makespan, and what is proven of all.
struct ObjectiveResult {
  Sequences sequences;
  std::string method;
  double bound = 0;  ///< no plan has a smaller sum of ends, or less device time; in milliseconds
  std::string bound_method;
};

struct ObjectiveOptions {
  double gap = 0;   ///< stop when the relative gap is at most this
  int threads = 1;  ///< side by side
  /// Called after every better plan and bound: the sum of ends, or the device time, of the best so far in
  /// milliseconds, and that best itself.
  std::function<void(double, const ObjectiveResult&)> report{};
};

/// The least sum of the tasks' ends: list scheduling, then annealing until the deadline or the bound.
ObjectiveResult least_completions_plan(const Search& search, const ObjectiveOptions& options,
                                       const Deadline& deadline);

/// The least device time of plans that end by `limit`: from the search's plan, which does, by annealing, and
/// up to 120 tasks by the master program with cuts (exact.h).
ObjectiveResult least_device_time_plan(Search& search, Millis limit, const ObjectiveOptions& options,
                                       const Deadline& deadline);

}  // namespace saturn
