// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "plan/fixtures.h"

namespace saturn::test {

/// Tiny ones, the same for the same seed: one or two nodes of up to three devices, up to five tasks.
class RandomProblems {
 public:
  explicit RandomProblems(std::uint64_t seed) : random_(seed) {}

  Problem next(bool releases) {
    Problem problem;
    for (int n = 0, nodes = up_to(2); n < nodes; ++n) {
      problem.nodes.push_back(node("n" + std::to_string(n), up_to(3)));
      if (releases)
        for (double& free : problem.nodes.back().free_at_seconds) free = (up_to(4) - 1) * 0.5;
    }
    for (int t = 0, tasks = up_to(5); t < tasks; ++t) {
      std::vector<std::pair<int, double>> configurations{{1, up_to(20) * 0.25}};
      if (up_to(3) > 1) configurations.push_back({2, up_to(12) * 0.25});
      if (up_to(3) > 2) configurations.push_back({3, up_to(8) * 0.25});
      problem.tasks.push_back(task("t" + std::to_string(t), configurations));
      if (t > 0 && up_to(3) == 1)  // a twin
        problem.tasks.back().configurations = problem.tasks.front().configurations;
    }
    return problem;
  }

  /// Pins that no other pin contradicts: at most one task has a start.
  void pin_some(Problem& problem) {
    for (ProblemTask& pinned : problem.tasks) {
      if (up_to(3) > 1) continue;
      Pin pin;
      if (up_to(2) == 1) pin.configuration = 0;
      if (up_to(2) == 1) pin.node = up_to(static_cast<int>(problem.nodes.size())) - 1;
      if (pin.configuration && pin.node && up_to(2) == 1)
        pin.devices = {
            up_to(static_cast<int>(problem.nodes[static_cast<size_t>(*pin.node)].free_at_seconds.size())) -
            1};
      pinned.pin = pin;
    }
    if (ProblemTask& first = problem.tasks.front(); first.pin && up_to(2) == 1)
      first.pin->start_seconds = 1.5 + (up_to(8) - 1) * 0.5;
  }

 private:
  int up_to(int most) { return 1 + static_cast<int>(random_() % static_cast<std::uint64_t>(most)); }
  std::mt19937_64 random_;
};

}  // namespace saturn::test
