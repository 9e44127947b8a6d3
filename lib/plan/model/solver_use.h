// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

namespace saturn {

/// How much the MILP solver was used. Any thread may add to it.
struct SolverUse {
  std::atomic<std::int64_t> solves{0};
  std::atomic<std::int64_t> microseconds{0};  ///< wall clock, of all solves
};

}  // namespace saturn
