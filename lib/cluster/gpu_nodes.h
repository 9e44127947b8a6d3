// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "cluster/gpu.h"
#include "workload/workload.h"

namespace saturn {

/// A node as the workload asks for it, with the GPUs that it gets (none: its devices are CPU slots).
struct PlacedNode {
  NodeSpec spec;
  std::vector<Gpu> gpus;
};

/// GPUs given to nodes, each once.
class GpuDealer {
 public:
  explicit GpuDealer(const GpuInventory& inventory) : inventory_(inventory), free_(inventory.gpus) {}

  /// The next `spec.devices` GPUs of one kind that `spec.kind` covers, and that kind; or what is wrong.
  std::variant<PlacedNode, std::string> place(NodeSpec spec);
  /// The first `count` GPUs (negative: all) as one node a kind: "local", or "local-KIND" where kinds are
  /// mixed, since the devices of a node are alike. Or what is wrong.
  std::variant<std::vector<PlacedNode>, std::string> place_all(std::int64_t count);

 private:
  std::string shortage(const NodeSpec& spec) const;

  const GpuInventory& inventory_;
  std::vector<Gpu> free_;
};

}  // namespace saturn
