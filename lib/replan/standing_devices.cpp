// SPDX-License-Identifier: Apache-2.0
#include "replan/standing_devices.h"

#include <algorithm>

namespace saturn {

StandingDevices::StandingDevices(const Cluster& cluster, const std::set<std::pair<std::string, int>>& lost) {
  for (const Node& node : cluster.nodes) {
    Node standing = node;
    standing.devices.clear();
    std::vector<int>& numbers = original_[node.name];
    for (size_t device = 0; device < node.devices.size(); ++device) {
      if (lost.contains({node.name, static_cast<int>(device)})) continue;
      standing.devices.push_back(node.devices[device]);
      numbers.push_back(static_cast<int>(device));
    }
    if (!standing.devices.empty()) cluster_.nodes.push_back(std::move(standing));
  }
}

std::vector<int> StandingDevices::numbered(const std::string& node, const std::vector<int>& devices) const {
  const auto found = original_.find(node);
  if (found == original_.end()) return devices;
  std::vector<int> result;
  for (const int device : devices) {
    const auto at = std::find(found->second.begin(), found->second.end(), device);
    result.push_back(at == found->second.end() ? -1 : static_cast<int>(at - found->second.begin()));
  }
  return result;
}

void StandingDevices::number(Assignment& line) const {
  line.devices = numbered(line.node, line.devices);
  for (NodeDevices& part : line.further) part.devices = numbered(part.node, part.devices);
}

std::vector<int> StandingDevices::original(const std::string& node, const std::vector<int>& devices) const {
  const auto found = original_.find(node);
  if (found == original_.end()) return devices;
  std::vector<int> result;
  for (const int device : devices) result.push_back(found->second.at(static_cast<size_t>(device)));
  return result;
}

}  // namespace saturn
