// SPDX-License-Identifier: Apache-2.0
#include "cluster/cluster_change.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <optional>

namespace saturn {
namespace {

bool is_same(const Device& a, const Device& b) {
  Device renumbered = b;
  renumbered.index = a.index;
  return a == renumbered;
}

const Node* find_node(const Cluster& cluster, const std::string& name) {
  const auto found = std::find_if(cluster.nodes.begin(), cluster.nodes.end(),
                                  [&](const Node& node) { return node.name == name; });
  return found == cluster.nodes.end() ? nullptr : &*found;
}

/// One node of a changing cluster.
class NodeChange {
 public:
  NodeChange(const Node& before, const std::set<std::pair<std::string, int>>& withdrawn) : node_(before) {
    for (const Device& device : before.devices)
      usable_.push_back(!withdrawn.contains({before.name, device.index}));
    taken_.resize(before.devices.size(), false);
  }

  void become(const Node& wanted, ClusterChange& change) {
    const bool same_kind = node_.kind == wanted.kind;
    node_.kind = wanted.kind;
    std::vector<const Device*> others;
    for (const Device& device : wanted.devices) {
      const auto place = same_kind ? place_of(device) : std::nullopt;
      if (!place) {
        others.push_back(&device);
        continue;
      }
      taken_[*place] = true;
      if (!usable_[*place]) add_to(change.added, *place);
    }
    for (const Device* device : others) put(*device, change);
    leave(change);
  }
  /// Those that nothing has taken are removed.
  void leave(ClusterChange& change) {
    for (size_t place = 0; place < usable_.size(); ++place)
      if (usable_[place] && !taken_[place]) add_to(change.removed, place);
  }
  Node take() { return std::move(node_); }

 private:
  std::optional<size_t> place_of(const Device& device) const {
    for (size_t place = 0; place < usable_.size(); ++place)
      if (!taken_[place] && is_same(node_.devices[place], device)) return place;
    return {};
  }
  /// Under the first number that is free now, or a new one.
  void put(Device device, ClusterChange& change) {
    const auto free = std::find(taken_.begin(), taken_.end(), false);
    const auto place = static_cast<size_t>(free - taken_.begin());
    device.index = static_cast<int>(place);
    if (free == taken_.end()) {
      node_.devices.push_back(device);
      taken_.push_back(true);
      usable_.push_back(true);
      add_to(change.added, place);
      return;
    }
    node_.devices[place] = device;
    taken_[place] = true;
    add_to(usable_[place] ? change.replaced : change.added, place);
  }
  void add_to(DevicesByNode& devices, size_t place) {
    devices[node_.name].push_back(static_cast<int>(place));
  }

  Node node_;
  std::vector<bool> usable_;  ///< by number, before the change
  std::vector<bool> taken_;   ///< by a device of the new cluster
};

void sort_all(DevicesByNode& devices) {
  for (auto& [node, numbers] : devices) std::sort(numbers.begin(), numbers.end());
}

void say_of(const DevicesByNode& devices, const char* what, std::vector<std::string>& lines) {
  for (const auto& [node, numbers] : devices) {
    lines.push_back(fmt::format("device{} {} of {} {} {}", numbers.size() == 1 ? "" : "s",
                                fmt::join(numbers, ","), node, numbers.size() == 1 ? "is" : "are", what));
  }
}

}  // namespace

ClusterChange change_cluster(const Cluster& before, const std::set<std::pair<std::string, int>>& withdrawn,
                             const Cluster& wanted) {
  ClusterChange change;
  for (const Node& node : before.nodes) {
    NodeChange changing(node, withdrawn);
    const Node* now = find_node(wanted, node.name);
    now != nullptr ? changing.become(*now, change) : changing.leave(change);
    change.cluster.nodes.push_back(changing.take());
  }
  for (const Node& node : wanted.nodes) {
    if (find_node(before, node.name) != nullptr) continue;
    for (const Device& device : node.devices) change.added[node.name].push_back(device.index);
    change.cluster.nodes.push_back(node);
  }
  sort_all(change.removed);
  sort_all(change.replaced);
  sort_all(change.added);
  return change;
}

Cluster without(Cluster cluster, const std::set<std::pair<std::string, int>>& withdrawn) {
  for (Node& node : cluster.nodes)
    std::erase_if(node.devices, [&](const Device& device) {
      return withdrawn.contains({node.name, device.index});
    });
  return cluster;
}

std::vector<std::string> to_lines(const ClusterChange& change) {
  std::vector<std::string> lines;
  say_of(change.removed, "taken out of the cluster", lines);
  say_of(change.replaced, "replaced by others", lines);
  say_of(change.added, "new in the cluster", lines);
  return lines;
}

ClusterSpec with_shapes_of(const Cluster& before, ClusterSpec spec) {
  const auto shape = [&](const std::string& kind) -> const Device* {
    for (const Node& node : before.nodes)
      if (node.kind == kind && !node.devices.empty()) return &node.devices.front();
    return nullptr;
  };
  if (spec.automatic && spec.gpus == 0 && spec.slots > 0 && shape("cpu") != nullptr) {
    spec.nodes = {{.name = "local", .devices = spec.slots, .memory_bytes = spec.slot_memory_bytes}};
    spec = {.automatic = false, .nodes = spec.nodes};
  }
  const bool one_kind = before.nodes.size() == 1 && !is_cpu_kind(before.nodes.front().kind);
  if (spec.automatic && spec.gpus > 0 && one_kind) {
    spec.nodes = {
        {.name = before.nodes.front().name, .devices = spec.gpus, .kind = before.nodes.front().kind}};
    spec = {.automatic = false, .nodes = spec.nodes};
  }
  if (spec.automatic) return spec;
  for (NodeSpec& node : spec.nodes) {
    const Device* device = shape(node.kind);
    if (device == nullptr) continue;
    if (node.cores_per_device == 0) node.cores_per_device = std::ssize(device->cores);
    if (node.memory_bytes == 0 && is_cpu_kind(node.kind)) node.memory_bytes = device->memory_bytes;
  }
  return spec;
}

}  // namespace saturn
