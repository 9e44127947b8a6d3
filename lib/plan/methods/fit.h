// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "plan/model/deadline.h"
#include "plan/model/instance.h"

namespace saturn {

/// `count` gangs of one shape.
struct FitItem {
  int devices = 0;
  Millis duration = 0;
  int count = 0;

  bool operator==(const FitItem&) const = default;
};

enum class Fit { kFits, kDoesNotFit, kUnknown };

struct FitResult {
  Fit fit = Fit::kUnknown;
  std::vector<int> order;  ///< kFits: item indices in the order of their starts
};

/// Can all items run on one node, whose devices become free at `free`, so that the last ends at `limit` at
/// the latest? Exact: a beam search finds most schedules, a depth-first search over the gangs in order of
/// start decides the rest. `work` limits the states looked at; past it, or past the deadline, the answer is
/// kUnknown.
FitResult fit_on_node(const std::vector<FitItem>& items, const std::vector<Millis>& free, Millis limit,
                      std::int64_t work, const Deadline& deadline);

}  // namespace saturn
