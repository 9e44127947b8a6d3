// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "plan/bounds/least_areas.h"
#include "plan/model/least_time.h"
#include "plan/model/search.h"

namespace saturn {
namespace {

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
  const LeastAreas areas(instance);
  const auto possible = [&](Millis target) { return areas.by(target) <= room_before(instance, target); };
  search.raise_bound(least_time(areas.possible_from(), possible), "area and critical path");
}

}  // namespace saturn
