// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "train/parallelism.h"

namespace saturn {

/// The candidates of a search, as they are to be tried.
struct SearchOrder {
  std::vector<Candidate> to_try;                        ///< fastest guess first
  std::vector<std::pair<Knobs, std::string>> hopeless;  ///< with the reason
};

/// Orders by the guessed time; those whose guessed memory passes `budget` (0 = none) by more than the guess
/// can be wrong are hopeless. Pure.
SearchOrder order_candidates(std::vector<Candidate> candidates, Bytes budget);

/// Whether a candidate should be tried once `best` was measured: not when it is guessed to take much longer.
/// Pure.
bool worth_trying(const Candidate& candidate, const Candidate& best);

}  // namespace saturn
