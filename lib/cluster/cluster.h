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

/// The cluster that the workload asks for on this machine. Errors: InputError (more slots than cores, memory
/// over the machine's, two nodes of one name).
Cluster discover(const ClusterSpec& spec, const Machine& machine);

nlohmann::ordered_json to_json(const Cluster& cluster);
Cluster cluster_from_value(const Value& value, Diagnostics& diagnostics);

/// Hash of everything in it.
std::string cluster_hash(const Cluster& cluster);

}  // namespace saturn
