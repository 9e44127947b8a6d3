// SPDX-License-Identifier: Apache-2.0
#include "profile/devices.h"

#include <algorithm>
#include <cassert>

namespace saturn {

DevicePool::DevicePool(const Cluster& cluster) : cluster_(&cluster) {
  for (const Node& node : cluster.nodes) taken_.emplace_back(node.devices.size(), false);
}

std::optional<DeviceSet> DevicePool::take(const std::string& kind, size_t count) {
  std::optional<size_t> best;
  size_t fewest = 0;
  for (size_t n = 0; n < taken_.size(); ++n) {
    const auto free = static_cast<size_t>(std::count(taken_[n].begin(), taken_[n].end(), false));
    if (cluster_->nodes[n].kind != kind || free < count || (best && free >= fewest)) continue;
    best = n;
    fewest = free;
  }
  if (!best) return {};
  DeviceSet devices{*best, {}};
  for (size_t place = 0; devices.places.size() < count; ++place) {
    if (taken_[*best][place]) continue;
    taken_[*best][place] = true;
    devices.places.push_back(place);
  }
  return devices;
}

void DevicePool::give_back(const DeviceSet& devices) {
  for (const size_t place : devices.places) {
    assert(taken_[devices.node][place]);
    taken_[devices.node][place] = false;
  }
}

}  // namespace saturn
