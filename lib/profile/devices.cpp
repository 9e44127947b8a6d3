// SPDX-License-Identifier: Apache-2.0
#include "profile/devices.h"

#include <algorithm>
#include <cassert>

namespace saturn {

DevicePool::DevicePool(const Cluster& cluster) : cluster_(&cluster), usable_(cluster.nodes.size(), true) {
  for (const Node& node : cluster.nodes) taken_.emplace_back(node.devices.size(), false);
}

/// The node to take from next; `but`: nodes that are taken from already.
std::optional<size_t> DevicePool::best_fit(const std::string& kind, size_t count,
                                           const std::vector<DeviceSet>& but) const {
  std::optional<size_t> best;
  size_t fewest = 0;
  for (size_t n = 0; n < taken_.size(); ++n) {
    const auto free = static_cast<size_t>(std::count(taken_[n].begin(), taken_[n].end(), false));
    if (!usable_[n] || cluster_->nodes[n].kind != kind || free < count || (best && free >= fewest)) continue;
    if (std::any_of(but.begin(), but.end(), [&](const DeviceSet& part) { return part.node == n; })) continue;
    best = n;
    fewest = free;
  }
  return best;
}

std::vector<DeviceSet> DevicePool::take(const std::string& kind, size_t count, size_t nodes) {
  std::vector<DeviceSet> parts;
  while (parts.size() < nodes) {
    const auto node = best_fit(kind, count, parts);
    if (!node) return {};
    DeviceSet part{*node, {}};
    for (size_t place = 0; part.places.size() < count; ++place)
      if (!taken_[*node][place]) part.places.push_back(place);
    parts.push_back(std::move(part));
  }
  for (const DeviceSet& part : parts)
    for (const size_t place : part.places) taken_[part.node][place] = true;
  return parts;
}

void DevicePool::give_back(const std::vector<DeviceSet>& devices) {
  for (const DeviceSet& part : devices) {
    for (const size_t place : part.places) {
      assert(taken_[part.node][place]);
      taken_[part.node][place] = false;
    }
  }
}

}  // namespace saturn
