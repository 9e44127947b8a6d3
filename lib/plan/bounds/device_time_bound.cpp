// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>

#include "plan/bounds/objective_bounds.h"

namespace saturn {
namespace {

constexpr Millis kForever = std::numeric_limits<Millis>::max();

Millis least_area(const Instance& instance, const InstanceTask& task, Millis limit) {
  Millis least = kForever;
  for (size_t n = 0; n < instance.nodes.size(); ++n) {
    const InstanceNode& node = instance.nodes[n];
    if (!task.may_use(static_cast<int>(n), node.group)) continue;
    std::vector<Millis> free = node.free;
    std::sort(free.begin(), free.end());
    for (const Option& option : task.options[static_cast<size_t>(node.group)])
      if (free[static_cast<size_t>(option.devices) - 1] + option.duration <= limit)
        least = std::min(least, option.area());
  }
  return least;
}

}  // namespace

Millis least_device_time(const Instance& instance, Millis limit) {
  Millis sum = 0;
  for (const Placement& placement : instance.fixed())
    sum += placement.duration * static_cast<Millis>(placement.devices.size());
  for (const TaskClass& task_class : instance.classes) {
    const InstanceTask& task = instance.tasks[static_cast<size_t>(task_class.members.front())];
    const Millis least = least_area(instance, task, limit);
    if (least == kForever) return 0;
    sum += least * static_cast<Millis>(task_class.members.size());
  }
  return sum;
}

}  // namespace saturn
