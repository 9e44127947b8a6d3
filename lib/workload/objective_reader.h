// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/document.h"
#include "workload/objective.h"

namespace saturn {

/// The map's key `objective`: a word, or {deadline: DURATION}; the makespan when it is missing. Reports what
/// is neither.
Objective read_objective(MapReader& map);

}  // namespace saturn
