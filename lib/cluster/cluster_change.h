// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cluster/cluster.h"

namespace saturn {

/// Devices by node.
using DevicesByNode = std::map<std::string, std::vector<int>>;

/// How a cluster that is in use becomes another one. Devices keep their numbers: those that leave stay in it
/// under theirs, for the gangs that are still on them, and are not to be used any more.
struct ClusterChange {
  Cluster cluster;         ///< all that were there, and the new ones
  DevicesByNode removed;   ///< are to be left
  DevicesByNode replaced;  ///< are others under the same number: what runs there is to be started again
  DevicesByNode added;     ///< were not there, or had been removed

  bool any() const { return !removed.empty() || !replaced.empty() || !added.empty(); }
};

/// `before` without `withdrawn` (node, device), as `wanted`. A device is the same when everything about it is
/// but its number: it is known by its UUID, or by its cores. Pure.
ClusterChange change_cluster(const Cluster& before, const std::set<std::pair<std::string, int>>& withdrawn,
                             const Cluster& wanted);

/// The cluster without these devices; the others keep their numbers. Pure.
Cluster without(Cluster cluster, const std::set<std::pair<std::string, int>>& withdrawn);

/// What changes, a line each: "device 1 of local is taken out of the cluster".
std::vector<std::string> to_lines(const ClusterChange& change);

/// What `spec` asks for, with the cores and the memory that devices of the kind have in `before` where it
/// does not say: fewer devices are then the same ones, measured already, instead of larger ones. Pure.
ClusterSpec with_shapes_of(const Cluster& before, ClusterSpec spec);

}  // namespace saturn
