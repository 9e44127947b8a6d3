// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "plan/pins.h"
#include "plan/schedule.h"
#include "plan/solve.h"

namespace saturn {
namespace {

const Configuration* fastest_on(const ProblemTask& task, const ProblemNode& node) {
  const Configuration* best = nullptr;
  for (const Configuration& configuration : task.configurations)
    if (fits_on(configuration, node) &&
        (best == nullptr || configuration.duration_seconds < best->duration_seconds))
      best = &configuration;
  return best;
}

Assignment whole_node(const ProblemTask& task, const Configuration& configuration, const ProblemNode& node,
                      Millis start) {
  Assignment assignment;
  assignment.task = task.name;
  assignment.parallelism = configuration.parallelism;
  assignment.knobs = configuration.knobs;
  assignment.node = node.name;
  for (int device = 0; device < configuration.devices; ++device) assignment.devices.push_back(device);
  assignment.start_seconds = static_cast<double>(start) / 1000;
  assignment.duration_seconds = static_cast<double>(duration_millis(configuration.duration_seconds)) / 1000;
  return assignment;
}

}  // namespace

Plan whole_node_baseline(const Problem& problem) {
  Plan plan;
  plan.method = "a whole node each, one after another";
  std::vector<Millis> free;
  for (const ProblemNode& node : problem.nodes) {
    Millis last = 0;
    for (const double seconds : node.free_at_seconds) last = std::max(last, release_millis(seconds));
    free.push_back(last);
  }
  Millis makespan = 0;
  for (const ProblemTask& task : problem.tasks) {
    size_t best = problem.nodes.size();
    Millis best_end = 0;
    for (size_t n = 0; n < problem.nodes.size(); ++n) {
      const Configuration* configuration = fastest_on(task, problem.nodes[n]);
      if (configuration == nullptr) continue;
      const Millis end = free[n] + duration_millis(configuration->duration_seconds);
      if (best == problem.nodes.size() || end < best_end) best = n, best_end = end;
    }
    if (best == problem.nodes.size()) continue;  // fits nowhere: `solve` says so
    const ProblemNode& node = problem.nodes[best];
    plan.assignments.push_back(whole_node(task, *fastest_on(task, node), node, free[best]));
    free[best] = best_end;
    makespan = std::max(makespan, best_end);
  }
  sort_assignments(plan);
  plan.makespan_seconds = plan.baseline_seconds = static_cast<double>(makespan) / 1000;
  return plan;
}

}  // namespace saturn
