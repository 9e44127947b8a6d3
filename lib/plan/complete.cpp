// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>

#include "plan/plan.h"

namespace saturn {
namespace {

const Configuration* configuration_of(const Problem& problem, const Assignment& assignment) {
  std::string kind;
  for (const ProblemNode& node : problem.nodes)
    if (node.name == assignment.node) kind = node.kind;
  for (const ProblemTask& task : problem.tasks) {
    if (task.name != assignment.task) continue;
    for (const Configuration& configuration : task.configurations)
      if (configuration.parallelism == assignment.parallelism && configuration.knobs == assignment.knobs &&
          configuration.device_kind == kind &&
          configuration.devices == static_cast<int>(assignment.devices.size()))
        return &configuration;
  }
  return nullptr;
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

bool complete(const Problem& problem, Plan& plan) {
  bool changed = false;
  Devices devices(problem);
  double last = 0;
  for (Assignment& assignment : plan.assignments) {
    if (!assignment.duration_known) {
      const Configuration* configuration = configuration_of(problem, assignment);
      if (configuration != nullptr) assignment.duration_seconds = configuration->duration_seconds;
      changed = true;
    }
    if (!assignment.start_known) {
      assignment.start_seconds = devices.earliest(assignment);
      changed = true;
    }
    assignment.start_known = assignment.duration_known = true;
    devices.use(assignment);
    last = std::max(last, assignment.end_seconds());
  }
  plan.makespan_seconds = last;
  plan.gap = last > 0 ? std::max(0.0, last - plan.lower_bound_seconds) / last : 0;
  return changed;
}

}  // namespace saturn
