// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "plan/plan.h"

namespace saturn {

/// How the lines of a plan hang together: each follows, on every one of its devices, the line before it
/// there. Lines are named by their index in Plan::assignments.
struct CriticalPath {
  /// Per line: by how many seconds it may end later, places and order kept, without the plan ending later.
  std::vector<double> slack_seconds;
  /// Per line: those that end on its devices just when it starts.
  std::vector<std::vector<size_t>> waits_for;
  /// From a start that waits for nothing to the end of the plan, each waiting for the one before: whatever
  /// delays one of them delays the end. Empty for a plan without lines.
  std::vector<size_t> chain;

  bool critical(size_t line) const;
};

/// `plan` has passed check_plan.
CriticalPath critical_path(const Plan& plan);

}  // namespace saturn
