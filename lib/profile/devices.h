// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cluster/cluster.h"

namespace saturn {

/// Devices of one node, taken by a gang.
struct DeviceSet {
  size_t node = 0;             ///< index into Cluster::nodes
  std::vector<size_t> places;  ///< indices into Node::devices, ascending
};

/// Which devices of a cluster are taken. Does not own the cluster.
class DevicePool {
 public:
  explicit DevicePool(const Cluster& cluster);

  /// Takes `count` free devices of one node of that kind: of the node with the fewest free ones that suffice,
  /// so that wide gangs find room; empty when no node has them.
  [[nodiscard]] std::optional<DeviceSet> take(const std::string& kind, size_t count);
  void give_back(const DeviceSet& devices);

 private:
  const Cluster* cluster_;
  std::vector<std::vector<bool>> taken_;  ///< by node and place
};

}  // namespace saturn
