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

  /// Takes `count` free devices of each of `nodes` nodes of that kind: of those with the fewest free ones
  /// that suffice, so that wide gangs find room; empty when there are not as many.
  [[nodiscard]] std::vector<DeviceSet> take(const std::string& kind, size_t count, size_t nodes = 1);
  void give_back(const std::vector<DeviceSet>& devices);
  /// Whether anything is taken of that node from now on; an index into Cluster::nodes.
  void set_usable(size_t node, bool usable) { usable_[node] = usable; }

 private:
  std::optional<size_t> best_fit(const std::string& kind, size_t count,
                                 const std::vector<DeviceSet>& but) const;

  const Cluster* cluster_;
  std::vector<std::vector<bool>> taken_;  ///< by node and place
  std::vector<bool> usable_;              ///< by node
};

}  // namespace saturn
