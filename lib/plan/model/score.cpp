// SPDX-License-Identifier: Apache-2.0
#include "plan/model/score.h"

#include <algorithm>
#include <tuple>

namespace saturn {

Score score_of(const Instance& instance, const Sequences& sequences) {
  NodeFinish all;
  for (const Placement& placement : instance.placed)
    all.add({placement.configuration, static_cast<int>(placement.devices.size()), placement.duration},
            placement.end());
  Score score{all.finish, all.area, all.completions};
  for (size_t n = 0; n < sequences.size(); ++n) {
    const NodeFinish node = finish_of(instance, static_cast<int>(n), sequences[n]);
    score.finish = std::max(score.finish, node.finish);
    score.area += node.area;
    score.completions += node.completions;
  }
  return score;
}

bool Criterion::better(const Score& a, const Score& b) const {
  const auto key = [this](const Score& score) {
    const Millis late = std::max<Millis>(0, score.finish - limit);
    const auto area = static_cast<double>(score.area);
    return first == First::kArea ? std::tuple(late, area, score.completions)
                                 : std::tuple(late, score.completions, area);
  };
  return key(a) < key(b);
}

}  // namespace saturn
