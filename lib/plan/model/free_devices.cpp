// SPDX-License-Identifier: Apache-2.0
#include "plan/model/free_devices.h"

#include <algorithm>

namespace saturn {

FreeDevices::FreeDevices(const ProblemNode& node) {
  for (size_t device = 0; device < node.free_at_seconds.size(); ++device)
    free_.emplace_back(release_millis(node.free_at_seconds[device]), static_cast<int>(device));
  sort();
}

Millis FreeDevices::start_on(const std::vector<int>& devices) const {
  Millis start = 0;
  for (const auto& [free, device] : free_)
    if (std::find(devices.begin(), devices.end(), device) != devices.end()) start = std::max(start, free);
  return start;
}

std::vector<int> FreeDevices::take(size_t count, size_t reserved, Millis duration) {
  const Millis at = start(reserved);
  std::vector<int> devices = take_at(reserved, at, at + duration);
  devices.resize(count);
  return devices;
}

std::vector<int> FreeDevices::take_at(size_t count, Millis at, Millis end) {
  size_t usable = count;
  while (usable < free_.size() && free_[usable].first <= at) ++usable;
  std::vector<int> devices;
  for (size_t i = usable - count; i < usable; ++i) {
    devices.push_back(free_[i].second);
    free_[i].first = end;
  }
  std::sort(devices.begin(), devices.end());
  sort();
  return devices;
}

void FreeDevices::take_these(const std::vector<int>& devices, Millis end) {
  for (auto& [free, device] : free_)
    if (std::find(devices.begin(), devices.end(), device) != devices.end()) free = end;
  sort();
}

void FreeDevices::sort() {
  std::sort(free_.begin(), free_.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second > b.second;
  });
}

}  // namespace saturn
