// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cluster/cluster.h"
#include "plan/plan.h"

namespace saturn {

/// What is left of a cluster that has lost devices: nodes without any are not there, the devices of the
/// others are numbered anew, from 0 and without holes, as planning problems have them.
class StandingDevices {
 public:
  /// `lost`: (node, device).
  StandingDevices(const Cluster& cluster, const std::set<std::pair<std::string, int>>& lost);

  const Cluster& cluster() const { return cluster_; }
  /// The new numbers of devices, -1 for a lost one; unknown nodes keep theirs.
  std::vector<int> numbered(const std::string& node, const std::vector<int>& devices) const;
  /// Gives all parts of the line the new numbers.
  void number(Assignment& line) const;
  /// And back.
  std::vector<int> original(const std::string& node, const std::vector<int>& devices) const;

 private:
  Cluster cluster_;
  std::map<std::string, std::vector<int>> original_;  ///< by node: new number -> number in the cluster
};

}  // namespace saturn
