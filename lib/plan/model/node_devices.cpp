// SPDX-License-Identifier: Apache-2.0
#include "plan/model/node_devices.h"

#include <algorithm>

namespace saturn {

NodeDevices::NodeDevices(const ProblemNode& node) {
  for (size_t device = 0; device < node.free_at_seconds.size(); ++device)
    free_.emplace_back(release_millis(node.free_at_seconds[device]), static_cast<int>(device));
  sort();
}

Millis NodeDevices::start_on(const std::vector<int>& devices) const {
  Millis start = 0;
  for (const auto& [free, device] : free_)
    if (std::find(devices.begin(), devices.end(), device) != devices.end()) start = std::max(start, free);
  return start;
}

std::vector<int> NodeDevices::take(size_t count, size_t reserved, Millis duration) {
  const Millis at = start(reserved);
  size_t usable = reserved;
  while (usable < free_.size() && free_[usable].first <= at) ++usable;
  std::vector<int> devices;
  for (size_t i = usable - reserved; i < usable; ++i) {
    devices.push_back(free_[i].second);
    free_[i].first = at + duration;
  }
  std::sort(devices.begin(), devices.end());
  devices.resize(count);
  sort();
  return devices;
}

void NodeDevices::take_these(const std::vector<int>& devices, Millis end) {
  for (auto& [free, device] : free_)
    if (std::find(devices.begin(), devices.end(), device) != devices.end()) free = end;
  sort();
}

void NodeDevices::sort() {
  std::sort(free_.begin(), free_.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second > b.second;
  });
}

}  // namespace saturn
