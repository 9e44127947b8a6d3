// SPDX-License-Identifier: Apache-2.0
#include "train/search.h"

#include <algorithm>
#include <fmt/format.h>

namespace saturn {
namespace {

constexpr double kMemoryError =
    1.1;                            // the guess leaves out what is there for a moment, and counts some twice
constexpr double kTimeError = 1.5;  // guesses are compared with each other only

}  // namespace

SearchOrder order_candidates(std::vector<Candidate> candidates, Bytes budget) {
  SearchOrder order;
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.seconds < b.seconds; });
  for (Candidate& candidate : candidates) {
    const auto needed = static_cast<double>(candidate.memory_bytes);
    if (budget > 0 && needed > static_cast<double>(budget) * kMemoryError) {
      order.hopeless.emplace_back(
          std::move(candidate.knobs),
          fmt::format("not tried: by its cost model it needs {}, and the device has {}",
                      to_text_bytes(candidate.memory_bytes), to_text_bytes(budget)));
    } else {
      order.to_try.push_back(std::move(candidate));
    }
  }
  return order;
}

bool worth_trying(const Candidate& candidate, const Candidate& best) {
  return best.seconds <= 0 || candidate.seconds <= best.seconds * kTimeError;
}

}  // namespace saturn
