// SPDX-License-Identifier: Apache-2.0
#include "plan/bounds/least_areas.h"

#include <algorithm>

namespace saturn {

std::vector<LeastAreas::Way> LeastAreas::ways_of(const Instance& instance, const InstanceTask& task) {
  std::vector<Way> ways;
  for (size_t n = 0; n < instance.nodes.size(); ++n) {
    const InstanceNode& node = instance.nodes[n];
    if (!task.may_use(static_cast<int>(n), node.group)) continue;
    std::vector<Millis> free = node.free;
    std::sort(free.begin(), free.end());
    for (const Option& option : task.options_on(static_cast<int>(n), node.group)) {
      const Millis start = option.nodes() > 1 ? instance.start_across(task, option)
                                              : free[static_cast<size_t>(option.devices) - 1];
      ways.push_back({start + option.duration, option.area()});
    }
  }
  // Only those that are cheaper than all that end earlier.
  std::sort(ways.begin(), ways.end(),
            [](const Way& a, const Way& b) { return a.end != b.end ? a.end < b.end : a.area < b.area; });
  std::vector<Way> kept;
  for (const Way& way : ways)
    if (kept.empty() || way.area < kept.back().area) kept.push_back(way);
  return kept;
}

LeastAreas::LeastAreas(const Instance& instance) : instance_(instance) {
  for (const TaskClass& task_class : instance.classes)
    ways_.push_back(ways_of(instance, instance.tasks[static_cast<size_t>(task_class.members.front())]));
}

Millis LeastAreas::possible_from() const {
  Millis end = 0;
  for (const std::vector<Way>& ways : ways_) end = std::max(end, ways.front().end);
  return end;
}

Millis LeastAreas::by(Millis target) const {
  Millis sum = 0;
  for (size_t c = 0; c < ways_.size(); ++c) {
    const auto after = std::upper_bound(ways_[c].begin(), ways_[c].end(), target,
                                        [](Millis time, const Way& way) { return time < way.end; });
    if (after == ways_[c].begin()) return kNever;
    sum += std::prev(after)->area * static_cast<Millis>(instance_.classes[c].members.size());
  }
  return sum;
}

}  // namespace saturn
