// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/units.h"
#include "workload/objective.h"

namespace saturn {

/// How far a solve has come.
struct SolveProgress {
  Seconds elapsed{0};  ///< since the solve began
  /// What value and bound are of. With a deadline it is the makespan until a plan meets that.
  Objective::Kind measure = Objective::Kind::kMakespan;
  std::optional<double> value;  ///< of the best plan so far: seconds, or device-seconds (plan.h)
  double bound = 0;             ///< no plan is below it; 0 = nothing is proven yet
  std::string method;           ///< what found the plan
  std::string bound_method;     ///< what proved the bound
};

using OnProgress = std::function<void(const SolveProgress&)>;

}  // namespace saturn
