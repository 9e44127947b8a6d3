// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "plan/plan.h"
#include "plan/problem.h"

namespace saturn::test {

inline ProblemNode node(const std::string& name, int devices, double free_at = 0) {
  return {name, "cpu", std::vector<double>(static_cast<size_t>(devices), free_at)};
}

/// Configurations are (devices, seconds).
inline ProblemTask task(const std::string& name, const std::vector<std::pair<int, double>>& configurations) {
  ProblemTask result{name, {}, std::nullopt};
  for (const auto& [devices, seconds] : configurations)
    result.configurations.push_back({"ddp", {}, "cpu", devices, seconds});
  return result;
}

inline std::string text_of(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics) text += to_text(diagnostic) + "\n";
  return text;
}

/// Of a plan, in milliseconds (times devices).
struct Measures {
  long makespan = 0;
  long area = 0;         ///< device time of all tasks
  long completions = 0;  ///< sum of the tasks' ends
};
/// What is compared first, second, third. Must not shrink when a task is added.
using MeasureKey = std::array<long, 3>;

/// The least by `key`, by trying every choice of configuration and node and every order on the nodes; minutes
/// beyond five tasks. Times are rounded to milliseconds as the planner rounds them. Knows nothing of the
/// planner's code. Pins may name configuration, node, devices and start; what runs may stay.
Measures best_measures(const Problem& problem, const std::function<MeasureKey(const Measures&)>& key);
/// By makespan alone, in seconds.
double least_makespan(const Problem& problem);

}  // namespace saturn::test
