// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <limits>

#include "plan/model/instance.h"
#include "plan/model/schedule.h"

namespace saturn {

/// What plans are compared by.
struct Score {
  Millis finish = 0;       ///< the last end
  Millis area = 0;         ///< device time of all tasks
  double completions = 0;  ///< sum of the tasks' ends
};

/// Of the plan that the sequences lead to, pinned tasks included.
Score score_of(const Instance& instance, const Sequences& sequences);

/// Which of two plans is better. Those that end by the limit come first, then by how late they are, then by
/// what counts first, then by the other.
struct Criterion {
  enum class First { kArea, kCompletions };
  First first = First::kArea;
  Millis limit = std::numeric_limits<Millis>::max();

  bool better(const Score& a, const Score& b) const;
};

}  // namespace saturn
