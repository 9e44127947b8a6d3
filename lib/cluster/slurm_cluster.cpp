// SPDX-License-Identifier: Apache-2.0
#include "cluster/slurm_cluster.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <optional>

#include "base/error.h"
#include "cluster/gpu.h"

namespace saturn {
namespace {

std::string kind_of(const SlurmGpu& gpu) {
  return gpu_kind(gpu.type.empty() ? "gpu" : gpu.type);
}

/// The node as `discover` knows machines. CPUs are numbered by their place among the job's there (Slurm's own
/// numbers need not be the kernel's); a GPU's uuid is its place.
Machine machine_of(const SlurmNode& node) {
  Machine machine;
  for (int place = 0; place < std::ssize(node.cpus); ++place) machine.cores.push_back(place);
  machine.memory_bytes = node.memory_bytes;
  for (const SlurmGpu& gpu : node.gpus) {
    const auto place = static_cast<int>(machine.gpus.gpus.size());
    machine.gpus.gpus.push_back({place, kind_of(gpu), std::to_string(place), 0});
  }
  machine.gpus.none_because = "Slurm has given the job none there";
  return machine;
}

/// "4 h100 and 1 a100", "8 CPUs".
std::string devices_text(std::size_t cpus, const std::map<std::string, std::int64_t>& gpus) {
  std::vector<std::string> parts;
  for (const auto& [kind, count] : gpus) {
    if (count > 0) parts.push_back(fmt::format("{} {}", count, kind));
  }
  if (parts.empty()) parts.push_back(fmt::format("{} CPU{}", cpus, cpus == 1 ? "" : "s"));
  return fmt::format("{}", fmt::join(parts, " and "));
}

std::map<std::string, std::int64_t> gpus_by_kind(const SlurmNode& node) {
  std::map<std::string, std::int64_t> gpus;
  for (const SlurmGpu& gpu : node.gpus) ++gpus[kind_of(gpu)];
  return gpus;
}

/// What of a node of the job no node of the workload has taken yet.
struct Host {
  const SlurmNode* node = nullptr;
  std::int64_t cpus = 0;
  std::map<std::string, std::int64_t> gpus;

  std::string text() const {
    return fmt::format("{} ({})", node->name, devices_text(static_cast<std::size_t>(cpus), gpus));
  }
};

struct Fit {
  std::string kind;
  std::int64_t left = 0;  ///< devices of it that stay free
};

std::int64_t cpus_needed(const NodeSpec& spec) {
  return spec.devices * std::max<std::int64_t>(is_cpu_kind(spec.kind) ? 1 : 0, spec.cores_per_device);
}

std::optional<Fit> fit(const NodeSpec& spec, const Host& host) {
  if (host.cpus < cpus_needed(spec)) return {};
  if (is_cpu_kind(spec.kind)) return Fit{spec.kind, host.cpus - cpus_needed(spec)};
  std::optional<Fit> best;
  for (const auto& [kind, free] : host.gpus) {
    if (!kind_covers(spec.kind, kind) || free < spec.devices) continue;
    if (!best || free - spec.devices < best->left) best = Fit{kind, free - spec.devices};
  }
  return best;
}

std::string wish(const NodeSpec& spec) {
  const char* plural = spec.devices == 1 ? "" : "s";
  if (!is_cpu_kind(spec.kind))
    return fmt::format("{} GPU{} of {}", spec.devices, plural,
                       spec.kind == "gpu" ? "one kind" : fmt::format("kind '{}'", spec.kind));
  return fmt::format("{} CPU{}", cpus_needed(spec), cpus_needed(spec) == 1 ? "" : "s");
}

class Placement {
 public:
  Placement(const ClusterSpec& spec, const SlurmJob& job) : spec_(spec), job_(job) {}

  SlurmCluster run() {
    spec_.automatic ? divide() : place();
    throw_if_any();
    make_alike();
    throw_if_any();
    return std::move(found_);
  }

 private:
  void error(const std::string& message) { errors_.push_back({"", 0, 0, "cluster: " + message, ""}); }
  void throw_if_any() const {
    if (!errors_.empty()) throw InputError(errors_);
  }

  /// The nodes that `discover` makes of one of the job's.
  std::vector<Node> discovered(const ClusterSpec& spec, const SlurmNode& node) {
    try {
      return discover(spec, machine_of(node)).nodes;
    } catch (const InputError& refused) {
      for (Diagnostic diagnostic : refused.diagnostics()) {
        diagnostic.message = fmt::format("on {}: {}", node.name, diagnostic.message);
        errors_.push_back(std::move(diagnostic));
      }
      return {};
    }
  }

  void add(Node node, const SlurmNode& host) {
    for (Device& device : node.devices) {
      device.ordinal = device.uuid.empty() ? device.index : std::stoi(device.uuid);
      device.uuid.clear();
      device.name.clear();
    }
    node.host = host.name;
    found_.cluster.nodes.push_back(std::move(node));
  }

  // ---- cluster: auto

  void divide() {
    std::map<std::string, std::int64_t> gpus;
    for (const SlurmNode& node : job_.nodes)
      for (const SlurmGpu& gpu : node.gpus) ++gpus[kind_of(gpu)];
    std::int64_t there = 0;
    for (const auto& [kind, count] : gpus) there += count;
    if (spec_.gpus > there) {
      return error(fmt::format("{} GPU{} asked for, but Slurm job {} has {}", spec_.gpus,
                               spec_.gpus == 1 ? " is" : "s are", job_.id,
                               there == 0 ? "none" : devices_text(0, gpus)));
    }
    const std::int64_t wanted = spec_.gpus < 0 ? there : spec_.gpus;
    wanted > 0 ? divide_gpus(wanted) : divide_slots();
  }

  void divide_gpus(std::int64_t left) {
    for (const SlurmNode& node : job_.nodes) {
      ClusterSpec spec;
      spec.gpus = std::min(left, static_cast<std::int64_t>(node.gpus.size()));
      left -= spec.gpus;
      if (spec.gpus == 0) {
        found_.notes.push_back(node.gpus.empty() ? fmt::format("{} has no GPU and is not used", node.name)
                                                 : fmt::format("the GPUs of {} are not used", node.name));
        continue;
      }
      for (Node& part : discovered(spec, node)) {
        part.name.replace(0, std::string_view("local").size(), node.name);
        add(std::move(part), node);
      }
    }
  }

  void divide_slots() {
    ClusterSpec spec = spec_;
    spec.gpus = 0;
    for (const SlurmNode& node : job_.nodes) {
      for (Node& part : discovered(spec, node)) {
        part.name = node.name;
        add(std::move(part), node);
      }
    }
  }

  // ---- explicit nodes

  void place() {
    for (const SlurmNode& node : job_.nodes)
      hosts_.push_back({&node, static_cast<std::int64_t>(node.cpus.size()), gpus_by_kind(node)});
    std::vector<NodeSpec> wanted = spec_.nodes;
    std::vector<std::size_t> order(wanted.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      const bool a_named = named(wanted[a]) != nullptr, b_named = named(wanted[b]) != nullptr;
      return a_named != b_named ? a_named : wanted[a].devices > wanted[b].devices;
    });
    std::vector<std::string> host_of(wanted.size());
    for (const std::size_t i : order) host_of[i] = take(wanted[i]);
    throw_if_any();
    std::map<std::string, Node> made;
    for (const SlurmNode& node : job_.nodes) {
      ClusterSpec part{.automatic = false};
      for (std::size_t i = 0; i < wanted.size(); ++i)
        if (host_of[i] == node.name) part.nodes.push_back(wanted[i]);
      if (part.nodes.empty()) {
        found_.notes.push_back(fmt::format("{} is not used: the workload names its nodes", node.name));
        continue;
      }
      for (Node& one : discovered(part, node)) made[one.name] = std::move(one);
    }
    throw_if_any();
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const auto host = std::find_if(job_.nodes.begin(), job_.nodes.end(),
                                     [&](const SlurmNode& node) { return node.name == host_of[i]; });
      add(std::move(made.at(wanted[i].name)), *host);
    }
  }

  const Host* named(const NodeSpec& spec) const {
    const auto host =
        std::find_if(hosts_.begin(), hosts_.end(), [&](const Host& h) { return h.node->name == spec.name; });
    return host == hosts_.end() ? nullptr : &*host;
  }

  /// Takes the devices, and settles which kind they are of. Empty, with an error, where there are none.
  std::string take(NodeSpec& spec) {
    const Host* own = named(spec);
    Host* best = nullptr;
    Fit best_fit;
    for (Host& host : hosts_) {
      const auto found = own == nullptr || own == &host ? fit(spec, host) : std::nullopt;
      if (!found || (best != nullptr && found->left >= best_fit.left)) continue;
      best = &host;
      best_fit = *found;
    }
    if (best == nullptr) {
      std::vector<std::string> free;
      for (const Host& host : hosts_) {
        if (own == nullptr || own == &host) free.push_back(host.text());
      }
      error(fmt::format("node '{}' asks for {}; free in Slurm job {}: {}", spec.name, wish(spec), job_.id,
                        fmt::join(free, ", ")));
      return "";
    }
    best->cpus -= cpus_needed(spec);
    if (!is_cpu_kind(spec.kind)) best->gpus[best_fit.kind] -= spec.devices;
    spec.kind = best_fit.kind;
    return best->node->name;
  }

  // ---- what all devices of a kind have

  struct Least {
    std::size_t cores = 0;
    Bytes memory_bytes = 0;  ///< 0: of none is it known
    std::string node;
  };

  void make_alike() {
    std::map<std::string, Least> least;
    for (const Node& node : found_.cluster.nodes) {
      const Device& device = node.devices.front();
      Least& all = least.try_emplace(node.kind, Least{device.cores.size(), device.memory_bytes, node.name})
                       .first->second;
      all.cores = std::min(all.cores, device.cores.size());
      if (device.memory_bytes > 0 && (all.memory_bytes == 0 || device.memory_bytes < all.memory_bytes))
        all.memory_bytes = device.memory_bytes;
    }
    for (Node& node : found_.cluster.nodes) {
      const Least& all = least.at(node.kind);
      check_given(node, all);
      for (Device& device : node.devices) {
        device.cores.resize(all.cores);
        device.memory_bytes = all.memory_bytes;
      }
    }
  }

  /// What the workload says of a node is not made smaller behind its back.
  void check_given(const Node& node, const Least& all) {
    for (const NodeSpec& spec : spec_.nodes) {
      if (spec.name != node.name) continue;
      const bool cores = spec.cores_per_device > static_cast<std::int64_t>(all.cores);
      const bool memory = spec.memory_bytes > all.memory_bytes;
      if (!cores && !memory) continue;
      error(fmt::format(
          "node '{}' asks for {} a device, but another of kind '{}' has {}; speeds are measured once per "
          "kind, so all of a kind must be alike",
          node.name,
          cores ? fmt::format("{} cores", spec.cores_per_device) : to_text_bytes(spec.memory_bytes),
          node.kind, cores ? fmt::format("{}", all.cores) : to_text_bytes(all.memory_bytes)));
    }
  }

  const ClusterSpec& spec_;
  const SlurmJob& job_;
  SlurmCluster found_;
  std::vector<Host> hosts_;
  std::vector<Diagnostic> errors_;
};

}  // namespace

SlurmCluster slurm_cluster(const ClusterSpec& spec, const SlurmJob& job) {
  return Placement(spec, job).run();
}

bool is_of_slurm_nodes(const Cluster& cluster) {
  return std::any_of(cluster.nodes.begin(), cluster.nodes.end(),
                     [](const Node& node) { return !node.host.empty(); });
}

Machine confined(Machine machine, const SlurmJob& job, const SlurmNode& node, bool wants_gpus) {
  if (!node.cpus.empty() && node.cpus.size() < machine.cores.size()) machine.cores.resize(node.cpus.size());
  if (node.memory_bytes > 0 && (machine.memory_bytes == 0 || node.memory_bytes < machine.memory_bytes))
    machine.memory_bytes = node.memory_bytes;
  if (node.gpus.empty()) {  // what others use may be visible all the same
    machine.gpus.gpus.clear();
    machine.gpus.none_because = fmt::format("Slurm job {} has none", job.id);
  }
  const std::size_t visible = machine.gpus.gpus.size();
  if (wants_gpus && visible != node.gpus.size()) {
    throw InputError(fmt::format(
        "cluster: Slurm job {} has {} GPU{} of {}, but this process can use {}{}; start saturn in the job's "
        "batch script, "
        "not in a smaller step, and leave CUDA_VISIBLE_DEVICES as Slurm sets it, or say `cluster: local`",
        job.id, node.gpus.size(), node.gpus.size() == 1 ? "" : "s", node.name, visible,
        visible == 0 ? " (" + machine.gpus.none_because + ")" : ""));
  }
  return machine;
}

}  // namespace saturn
