// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>

#include "plan/model/search.h"

namespace saturn {
namespace {

constexpr Millis kForever = std::numeric_limits<Millis>::max();

/// A task's ways to end: when at the earliest, and for how much device time.
struct Way {
  Millis end;
  Millis area;
};

std::vector<Way> ways_of(const Instance& instance, const InstanceTask& task) {
  std::vector<Way> ways;
  for (size_t n = 0; n < instance.nodes.size(); ++n) {
    const InstanceNode& node = instance.nodes[n];
    if (!task.may_use(static_cast<int>(n), node.group)) continue;
    std::vector<Millis> free = node.free;
    std::sort(free.begin(), free.end());
    for (const Option& option : task.options[static_cast<size_t>(node.group)])
      ways.push_back({free[static_cast<size_t>(option.devices) - 1] + option.duration, option.area()});
  }
  // Only those that are cheaper than all that end earlier.
  std::sort(ways.begin(), ways.end(),
            [](const Way& a, const Way& b) { return a.end != b.end ? a.end < b.end : a.area < b.area; });
  std::vector<Way> kept;
  for (const Way& way : ways)
    if (kept.empty() || way.area < kept.back().area) kept.push_back(way);
  return kept;
}

/// The least device time with which every task can end by `target`, or kForever.
Millis least_area(const Instance& instance, const std::vector<std::vector<Way>>& ways, Millis target) {
  Millis sum = 0;
  for (size_t c = 0; c < ways.size(); ++c) {
    const auto after = std::upper_bound(ways[c].begin(), ways[c].end(), target,
                                        [](Millis time, const Way& way) { return time < way.end; });
    if (after == ways[c].begin()) return kForever;
    sum += std::prev(after)->area * static_cast<Millis>(instance.classes[c].members.size());
  }
  return sum;
}

Millis room_before(const Instance& instance, Millis target) {
  Millis room = 0;
  for (const InstanceNode& node : instance.nodes)
    for (const Millis free : node.free) room += std::max<Millis>(0, target - free);
  return room;
}

}  // namespace

void bound_by_area(Search& search) {
  const Instance& instance = search.instance();
  search.raise_bound(instance.floor, "pinned starts");
  std::vector<std::vector<Way>> ways;
  Millis low = 0;
  for (const TaskClass& task_class : instance.classes) {
    ways.push_back(ways_of(instance, instance.tasks[static_cast<size_t>(task_class.members.front())]));
    low = std::max(low, ways.back().front().end);
  }
  const auto possible = [&](Millis target) {
    return least_area(instance, ways, target) <= room_before(instance, target);
  };
  Millis high = std::max<Millis>(low, 1);
  while (!possible(high)) low = high + 1, high *= 2;
  while (low < high) {
    const Millis middle = low + (high - low) / 2;
    if (possible(middle))
      high = middle;
    else
      low = middle + 1;
  }
  search.raise_bound(low, "area and critical path");
}

}  // namespace saturn
