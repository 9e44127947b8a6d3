// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "plan/model/deadline.h"
#include "plan/model/instance.h"
#include "plan/model/schedule.h"
#include "plan/model/score.h"

namespace saturn {

/// Another plan that is better by the criterion, or the same one when none was found. Goes through the nodes
/// once: options of less device time, an order of earlier ends. Takes a second for 10,000 tasks; the
/// deadline may end it before.
Sequences descend(const Instance& instance, Sequences sequences, const Criterion& criterion,
                  const Deadline& deadline);

struct PolishOptions {
  std::uint64_t seed = 0;
  int round = 0;           ///< each has other random numbers, and another temperature
  std::int64_t moves = 0;  ///< at most
};

/// The same by simulated annealing, first for what counts first, then, keeping that, for the other.
Sequences polish(const Instance& instance, Sequences sequences, const Criterion& criterion,
                 const PolishOptions& options, const Deadline& deadline);

}  // namespace saturn
