// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace saturn {

/// Devices of one node.
struct NodeDevices {
  std::string node;
  std::vector<int> devices;  ///< indices within the node

  bool operator==(const NodeDevices&) const = default;
};

/// Calls `visit(node, devices)` with each part of a gang (anything with `node`, `devices` and `further`): the
/// lead one, which has rank 0, and those on further nodes, in the order of their ranks.
template <class Gang, class Visit>
void for_each_part(const Gang& gang, Visit visit) {
  visit(gang.node, gang.devices);
  for (const auto& part : gang.further) visit(part.node, part.devices);
}

/// Devices of all parts of a gang.
template <class Gang>
std::size_t device_count(const Gang& gang) {
  std::size_t count = 0;
  for_each_part(gang, [&](const auto&, const std::vector<int>& devices) { count += devices.size(); });
  return count;
}

/// Nodes that a gang is on.
template <class Gang>
int node_count(const Gang& gang) {
  return 1 + static_cast<int>(gang.further.size());
}

/// Whether `is(node, device)` holds for some device of the gang.
template <class Gang, class Is>
bool any_device(const Gang& gang, Is is) {
  bool any = false;
  for_each_part(gang, [&](const auto& node, const std::vector<int>& devices) {
    any = any || std::any_of(devices.begin(), devices.end(), [&](int device) { return is(node, device); });
  });
  return any;
}

/// Whether it has devices on that node.
template <class Gang>
bool is_on(const Gang& gang, const std::string& node) {
  return gang.node == node || std::any_of(gang.further.begin(), gang.further.end(),
                                          [&](const auto& part) { return part.node == node; });
}

}  // namespace saturn
