// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>

#include "plan/plan.h"

namespace saturn {
namespace {

/// The configuration that the line means, or null.
const Configuration* configuration_of(const Problem& problem, const Assignment& assignment) {
  std::string kind;
  for (const ProblemNode& node : problem.nodes)
    if (node.name == assignment.node) kind = node.kind;
  for (const ProblemTask& task : problem.tasks) {
    if (task.name != assignment.task) continue;
    const std::optional<int> index = saturn::configuration_of(task, assignment, kind);
    return index ? &task.configurations[static_cast<size_t>(*index)] : nullptr;
  }
  return nullptr;
}

/// Knobs and duration from the configuration that the line means; returns whether anything was left out.
bool fill_in(const Problem& problem, Assignment& assignment) {
  if (assignment.knobs_known && assignment.duration_known) return false;
  if (const Configuration* configuration = configuration_of(problem, assignment)) {
    assignment.knobs = configuration->knobs;
    if (!assignment.duration_known) assignment.duration_seconds = configuration->duration_seconds;
  }
  assignment.knobs_known = assignment.duration_known = true;
  return true;
}

/// When each device is free, after the lines so far.
class Devices {
 public:
  explicit Devices(const Problem& problem) {
    for (const ProblemNode& node : problem.nodes)
      for (size_t device = 0; device < node.free_at_seconds.size(); ++device)
        free_[{node.name, static_cast<int>(device)}] = node.free_at_seconds[device];
  }
  double earliest(const Assignment& assignment) {
    double start = 0;
    for (const int device : assignment.devices) start = std::max(start, free_[{assignment.node, device}]);
    return start;
  }
  void use(const Assignment& assignment) {
    for (const int device : assignment.devices) {
      double& free = free_[{assignment.node, device}];
      free = std::max(free, assignment.end_seconds());
    }
  }

 private:
  std::map<std::pair<std::string, int>, double> free_;
};

}  // namespace

std::optional<int> configuration_of(const ProblemTask& task, const Assignment& assignment,
                                    const std::string& kind) {
  for (size_t c = 0; c < task.configurations.size(); ++c) {
    const Configuration& configuration = task.configurations[c];
    const bool same_knobs = !assignment.knobs_known || configuration.knobs == assignment.knobs;
    if (configuration.parallelism == assignment.parallelism && same_knobs &&
        configuration.device_kind == kind &&
        configuration.devices == static_cast<int>(assignment.devices.size()))
      return static_cast<int>(c);
  }
  return std::nullopt;
}

bool complete(const Problem& problem, Plan& plan) {
  bool changed = false;
  Devices devices(problem);
  double last = 0;
  for (Assignment& assignment : plan.assignments) {
    if (fill_in(problem, assignment)) changed = true;
    if (!assignment.start_known) {
      assignment.start_seconds = devices.earliest(assignment);
      changed = true;
    }
    assignment.start_known = true;
    devices.use(assignment);
    last = std::max(last, assignment.end_seconds());
  }
  plan.makespan_seconds = std::round(last * 1e3) / 1e3;  // times in a plan are whole milliseconds
  plan.gap = last > 0 ? std::max(0.0, last - plan.lower_bound_seconds) / last : 0;
  return changed;
}

}  // namespace saturn
