// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/document.h"
#include "base/units.h"
#include "workload/workload.h"

namespace saturn {

/// What one rank runs on: a CPU slot (some cores and a memory budget) or, in a later issue, a GPU.
struct Device {
  int index = 0;           ///< within its node, from 0
  std::vector<int> cores;  ///< CPU cores that the rank is pinned to; empty = not pinned
  Bytes memory_bytes = 0;  ///< budget; 0 = unlimited

  bool operator==(const Device&) const = default;
};

struct Node {
  std::string name;
  std::string kind = "cpu";  ///< device type: configurations are measured per kind
  std::vector<Device> devices;

  bool operator==(const Node&) const = default;
};

struct Cluster {
  std::vector<Node> nodes;

  int device_count() const;
  bool operator==(const Cluster&) const = default;
};

/// What this machine has for CPU slots.
struct Machine {
  std::vector<int> cores;  ///< that this process may use
  Bytes memory_bytes = 0;
  std::string cpu_model;
};
Machine this_machine();

/// The cluster that the workload asks for on this machine. `auto`: one node "local" of CPU slots, one per
/// core unless told otherwise; explicit nodes are parts of this machine. Cores are dealt out in order, the
/// same number to every device (what does not divide stays idle: the devices of a kind must be alike);
/// explicit nodes that give no number of cores share them round-robin when there are more devices than cores.
/// Nine tenths of the memory are split evenly, after what is given explicitly. Errors: InputError with all
/// of: more slots or cores than the machine's, more memory than it has, two nodes of one name, an unknown
/// kind, nodes of one kind that differ.
Cluster discover(const ClusterSpec& spec, const Machine& machine);

/// What a person should know of a cluster that is allowed: one line for every core that devices share.
std::vector<std::string> cluster_warnings(const Cluster& cluster);

nlohmann::ordered_json to_json(const Cluster& cluster);
Cluster cluster_from_value(const Value& value, Diagnostics& diagnostics);

/// Hash of everything in it.
std::string cluster_hash(const Cluster& cluster);

}  // namespace saturn
