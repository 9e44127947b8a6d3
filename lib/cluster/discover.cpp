// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>

#include "cluster/cluster.h"

namespace saturn {
namespace {

/// What is left for the supervisor, the system and its caches when memory is split.
constexpr double kMemoryReserve = 0.10;
constexpr std::int64_t kMaxDevices = 1024;

bool runs_on_cores(const std::string& kind) {
  return kind == "cpu" || kind.starts_with("cpu-");
}

/// `cluster: auto` is one node of slots.
std::vector<NodeSpec> nodes_of(const ClusterSpec& spec, const Machine& machine) {
  if (!spec.automatic) return spec.nodes;
  NodeSpec node;
  node.name = "local";
  node.devices = spec.slots > 0 ? spec.slots : static_cast<std::int64_t>(machine.cores.size());
  node.memory_bytes = spec.slot_memory_bytes;
  return {node};
}

/// What every device gets where its node does not say.
struct Shares {
  std::int64_t cores = 1;
  Bytes memory_bytes = 0;
};

class Discovery {
 public:
  Discovery(const ClusterSpec& spec, const Machine& machine)
      : spec_(spec), machine_(machine), nodes_(nodes_of(spec, machine)) {}

  Cluster run() {
    check_names_and_kinds();
    check_slots();
    throw_if_any();
    const Shares shares = split();
    throw_if_any();
    Cluster cluster;
    for (const NodeSpec& node : nodes_) cluster.nodes.push_back(make_node(node, shares));
    check_kinds_alike(cluster);
    throw_if_any();
    return cluster;
  }

 private:
  void error(const std::string& message) { errors_.push_back({"", 0, 0, "cluster: " + message, ""}); }

  void throw_if_any() const {
    if (!errors_.empty()) throw InputError(errors_);
  }

  void check_names_and_kinds() {
    std::set<std::string> names;
    for (const NodeSpec& node : nodes_) {
      if (!names.insert(node.name).second) error(fmt::format("two nodes have the name '{}'", node.name));
      if (!runs_on_cores(node.kind)) {
        error(
            fmt::format("node '{}' is of kind '{}', which this version cannot use; it uses 'cpu' and names "
                        "that begin with 'cpu-'",
                        node.name, node.kind));
      }
      if (node.devices < 1) error(fmt::format("node '{}' has no devices", node.name));
      if (node.devices > kMaxDevices) {
        error(fmt::format("node '{}' has {} devices; at most {} are possible", node.name, node.devices,
                          kMaxDevices));
      }
    }
    if (nodes_.empty()) error("there are no nodes");
  }

  void check_slots() {
    const auto cores = static_cast<std::int64_t>(machine_.cores.size());
    if (!spec_.automatic || spec_.slots <= cores) return;
    error(
        fmt::format("{} slots are asked for, but this process may use {} core{}; ask for at most {}, or "
                    "name the nodes: their devices may share cores",
                    spec_.slots, cores, cores == 1 ? "" : "s", cores));
  }

  /// Takes off what nodes ask for and divides the rest evenly among the other devices.
  Shares split() {
    std::int64_t asked_cores = 0, devices_sharing_cores = 0, devices_sharing_memory = 0;
    Bytes asked_memory = 0;
    for (const NodeSpec& node : nodes_) {
      asked_cores += node.devices * node.cores_per_device;
      asked_memory += node.devices * node.memory_bytes;
      if (node.cores_per_device == 0) devices_sharing_cores += node.devices;
      if (node.memory_bytes == 0) devices_sharing_memory += node.devices;
    }
    const auto cores = static_cast<std::int64_t>(machine_.cores.size());
    if (asked_cores > cores) {
      error(
          fmt::format("the nodes ask for {} cores, but this process may use {}; leave 'cores' out to let "
                      "devices share them",
                      asked_cores, cores));
    }
    if (machine_.memory_bytes > 0 && asked_memory > machine_.memory_bytes) {
      error(fmt::format("the devices ask for {} of memory in all, but this machine has {}",
                        to_text_bytes(asked_memory), to_text_bytes(machine_.memory_bytes)));
    }
    Shares shares;
    if (devices_sharing_cores > 0) {
      shares.cores = std::max<std::int64_t>(1, (cores - asked_cores) / devices_sharing_cores);
    }
    if (devices_sharing_memory > 0 && machine_.memory_bytes > 0) {
      shares.memory_bytes = memory_share(asked_memory, devices_sharing_memory);
    }
    return shares;
  }

  Bytes memory_share(Bytes asked, std::int64_t devices) {
    const auto usable =
        static_cast<Bytes>(static_cast<double>(machine_.memory_bytes) * (1 - kMemoryReserve)) - asked;
    // In round numbers: a few KiB more or less after a reboot must not make plans and trials stale.
    const Bytes grain = usable / devices >= (Bytes{1} << 30) ? Bytes{64} << 20 : Bytes{1} << 20;
    const Bytes share = usable / devices / grain * grain;
    if (share <= 0 && asked <= machine_.memory_bytes) {
      error(
          fmt::format("the devices with a given memory take {} of the machine's {}, which leaves none for "
                      "the {} others",
                      to_text_bytes(asked), to_text_bytes(machine_.memory_bytes), devices));
    }
    return share;
  }

  Node make_node(const NodeSpec& spec, const Shares& shares) {
    Node node{spec.name, spec.kind, {}};
    for (std::int64_t i = 0; i < spec.devices; ++i) {
      Device device;
      device.index = static_cast<int>(i);
      device.memory_bytes = spec.memory_bytes > 0 ? spec.memory_bytes : shares.memory_bytes;
      device.cores = deal(spec.cores_per_device > 0 ? spec.cores_per_device : shares.cores);
      node.devices.push_back(std::move(device));
    }
    return node;
  }

  /// The next cores in order; from the first again when all are taken, which only happens when devices share.
  std::vector<int> deal(std::int64_t count) {
    std::vector<int> cores;
    for (std::int64_t i = 0; i < count; ++i) {
      cores.push_back(machine_.cores[next_core_++ % machine_.cores.size()]);
    }
    std::sort(cores.begin(), cores.end());
    return cores;
  }

  /// Speeds are measured once per kind, so the devices of a kind must be alike.
  void check_kinds_alike(const Cluster& cluster) {
    std::map<std::string, const Node*> first;
    for (const Node& node : cluster.nodes) {
      const Node& other = *first.emplace(node.kind, &node).first->second;
      const Device &a = other.devices.front(), &b = node.devices.front();
      if (a.cores.size() == b.cores.size() && a.memory_bytes == b.memory_bytes) continue;
      error(
          fmt::format("nodes '{}' and '{}' are both of kind '{}', but a device of the one has {} core(s) and "
                      "{}, of the other {} and {}; speeds are measured once per kind, so give one of them "
                      "another kind, for example 'cpu-{}'",
                      other.name, node.name, node.kind, a.cores.size(), to_text_bytes(a.memory_bytes),
                      b.cores.size(), to_text_bytes(b.memory_bytes), node.name));
    }
  }

  const ClusterSpec& spec_;
  const Machine& machine_;
  std::vector<NodeSpec> nodes_;
  std::vector<Diagnostic> errors_;
  size_t next_core_ = 0;
};

}  // namespace

Cluster discover(const ClusterSpec& spec, const Machine& machine) {
  return Discovery(spec, machine).run();
}

std::vector<std::string> cluster_warnings(const Cluster& cluster) {
  std::map<int, std::vector<std::string>> users;
  for (const Node& node : cluster.nodes) {
    for (const Device& device : node.devices) {
      for (const int core : device.cores)
        users[core].push_back(fmt::format("{}:{}", node.name, device.index));
    }
  }
  std::vector<std::string> warnings;
  for (const auto& [core, devices] : users) {
    if (devices.size() < 2) continue;
    warnings.push_back(fmt::format("core {} is shared by {} devices ({}): they slow each other down", core,
                                   devices.size(), fmt::join(devices, ", ")));
  }
  return warnings;
}

}  // namespace saturn
