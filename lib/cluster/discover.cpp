// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>

#include "cluster/cluster.h"
#include "cluster/gpu_nodes.h"

namespace saturn {
namespace {

/// What is left for the supervisor, the system and its caches when memory is split.
constexpr double kMemoryReserve = 0.10;
constexpr std::int64_t kMaxDevices = 1024;

/// `cluster: auto` without GPUs is one node of slots.
std::vector<PlacedNode> node_of_slots(const ClusterSpec& spec, const Machine& machine) {
  NodeSpec node;
  node.name = "local";
  node.devices = spec.slots > 0 ? spec.slots : static_cast<std::int64_t>(machine.cores.size());
  node.memory_bytes = spec.slot_memory_bytes;
  return {{node, {}}};
}

/// What every device gets where its node does not say.
struct Shares {
  std::int64_t cores = 1;
  Bytes memory_bytes = 0;
};

class Discovery {
 public:
  Discovery(const ClusterSpec& spec, const Machine& machine) : spec_(spec), machine_(machine) {}

  Cluster run() {
    place_nodes();
    check_names();
    check_slots();
    throw_if_any();
    const Shares shares = split();
    throw_if_any();
    Cluster cluster;
    for (const PlacedNode& node : nodes_) cluster.nodes.push_back(make_node(node, shares));
    check_kinds_alike(cluster);
    throw_if_any();
    return cluster;
  }

 private:
  void error(const std::string& message) { errors_.push_back({"", 0, 0, "cluster: " + message, ""}); }

  void throw_if_any() const {
    if (!errors_.empty()) throw InputError(errors_);
  }

  void place_nodes() {
    GpuDealer dealer(machine_.gpus);
    if (spec_.automatic) {
      auto placed = dealer.place_all(spec_.gpus);
      if (const auto* problem = std::get_if<std::string>(&placed)) return error(*problem);
      nodes_ = std::get<std::vector<PlacedNode>>(std::move(placed));
      if (nodes_.empty()) nodes_ = node_of_slots(spec_, machine_);
      return;
    }
    for (const NodeSpec& spec : spec_.nodes) {
      nodes_.push_back({spec, {}});
      if (is_cpu_kind(spec.kind)) continue;
      auto placed = dealer.place(spec);
      if (const auto* problem = std::get_if<std::string>(&placed)) error(*problem);
      if (auto* node = std::get_if<PlacedNode>(&placed)) nodes_.back() = std::move(*node);
    }
  }

  void check_names() {
    std::set<std::string> names;
    for (const auto& [node, gpus] : nodes_) {
      if (!names.insert(node.name).second) error(fmt::format("two nodes have the name '{}'", node.name));
      if (node.devices < 1) error(fmt::format("node '{}' has no devices", node.name));
      if (node.devices > kMaxDevices) {
        error(fmt::format("node '{}' has {} devices; at most {} are possible", node.name, node.devices,
                          kMaxDevices));
      }
    }
    if (nodes_.empty() && errors_.empty()) error("there are no nodes");
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
    for (const auto& [node, gpus] : nodes_) {
      asked_cores += node.devices * node.cores_per_device;
      if (node.cores_per_device == 0) devices_sharing_cores += node.devices;
      if (!gpus.empty()) continue;  // has memory of its own
      asked_memory += node.devices * node.memory_bytes;
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

  Node make_node(const PlacedNode& placed, const Shares& shares) {
    const NodeSpec& spec = placed.spec;
    Node node{spec.name, spec.kind, {}};
    Bytes memory = placed.gpus.empty() ? shares.memory_bytes : gpu_budget(placed);
    if (spec.memory_bytes > 0) memory = spec.memory_bytes;
    for (std::int64_t i = 0; i < spec.devices; ++i) {
      Device device;
      device.index = static_cast<int>(i);
      device.memory_bytes = memory;
      device.cores = deal(spec.cores_per_device > 0 ? spec.cores_per_device : shares.cores);
      if (!placed.gpus.empty()) {
        device.uuid = placed.gpus[static_cast<size_t>(i)].uuid;
        device.name = placed.gpus[static_cast<size_t>(i)].name;
      }
      node.devices.push_back(std::move(device));
    }
    return node;
  }

  /// Of the smallest GPU of the kind, on whichever node: the devices of a kind must be alike. 0 = unknown.
  Bytes gpu_budget(const PlacedNode& placed) {
    Bytes smallest = placed.gpus.front().memory_bytes;
    for (const PlacedNode& other : nodes_) {
      if (other.spec.kind != placed.spec.kind) continue;
      for (const Gpu& gpu : other.gpus) smallest = std::min(smallest, gpu.memory_bytes);
    }
    if (smallest > 0 && placed.spec.memory_bytes > smallest) {
      error(fmt::format("node '{}' asks for {} of memory a GPU, but {} has {}", placed.spec.name,
                        to_text_bytes(placed.spec.memory_bytes), placed.gpus.front().name,
                        to_text_bytes(smallest)));
    }
    return gpu_memory_budget(smallest);
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
                      "{}, of the other {} and {}; speeds are measured once per kind, so {}",
                      other.name, node.name, node.kind, a.cores.size(), to_text_bytes(a.memory_bytes),
                      b.cores.size(), to_text_bytes(b.memory_bytes),
                      is_cpu_kind(node.kind)
                          ? fmt::format("give one of them another kind, for example 'cpu-{}'", node.name)
                          : "give them the same memory and cores"));
    }
  }

  const ClusterSpec& spec_;
  const Machine& machine_;
  std::vector<PlacedNode> nodes_;
  std::vector<Diagnostic> errors_;
  size_t next_core_ = 0;
};

}  // namespace

Cluster discover(const ClusterSpec& spec, const Machine& machine) {
  return Discovery(spec, machine).run();
}

bool is_cpu_kind(std::string_view kind) {
  return kind == "cpu" || kind.starts_with("cpu-");
}

bool may_use_gpus(const ClusterSpec& spec) {
  if (spec.automatic) return spec.gpus != 0;
  return std::any_of(spec.nodes.begin(), spec.nodes.end(),
                     [](const NodeSpec& node) { return !is_cpu_kind(node.kind); });
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
