// SPDX-License-Identifier: Apache-2.0
#include "profile/trials.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>
#include <tuple>

namespace saturn {
namespace {

bool allows(const std::vector<std::int64_t>& counts, std::int64_t count) {
  return counts.empty() || std::find(counts.begin(), counts.end(), count) != counts.end();
}

/// Device kind -> sizes of its nodes, the largest first.
std::map<std::string, std::vector<std::int64_t>> node_sizes(const Cluster& cluster) {
  std::map<std::string, std::vector<std::int64_t>> sizes;
  for (const Node& node : cluster.nodes)
    sizes[node.kind].push_back(static_cast<std::int64_t>(node.devices.size()));
  for (auto& [kind, of_kind] : sizes) std::sort(of_kind.rbegin(), of_kind.rend());
  return sizes;
}

/// A gang's devices in all, and the nodes that they lie on.
struct Shape {
  std::int64_t devices = 0;
  std::int64_t nodes = 1;
};

std::vector<std::int64_t> feasible_counts(const TaskSpec& task, const Manifest& manifest, std::int64_t size) {
  std::vector<std::int64_t> counts = !task.devices.empty()       ? task.devices
                                     : !manifest.devices.empty() ? manifest.devices
                                                                 : default_device_counts(size);
  std::erase_if(counts, [&](std::int64_t count) {
    return count < 1 || count > size || !allows(manifest.devices, count);
  });
  return counts;
}

/// `sizes`: of the nodes of a kind, the largest first.
std::vector<Shape> feasible_shapes(const TaskSpec& task, const Manifest& manifest,
                                   const std::vector<std::int64_t>& sizes) {
  std::vector<Shape> shapes;
  for (const std::int64_t count : feasible_counts(task, manifest, sizes.front()))
    shapes.push_back({count, 1});
  if (manifest.is_command()) return shapes;  // a script is started on one node
  for (const std::int64_t nodes : node_counts(std::min(task.across_nodes, std::ssize(sizes)))) {
    const std::int64_t devices = nodes * sizes[static_cast<size_t>(nodes - 1)];
    if (allows(task.devices, devices) && allows(manifest.devices, devices))
      shapes.push_back({devices, nodes});
  }
  return shapes;
}

class TrialPlanner {
 public:
  TrialPlanner(const Workload& workload, const std::vector<Manifest>& parallelisms, const Cluster& cluster)
      : workload_(workload), parallelisms_(parallelisms), sizes_(node_sizes(cluster)) {}

  TrialPlan run() {
    for (const TaskSpec& task : workload_.tasks) add_task(task);
    if (!errors_.empty()) throw InputError(errors_);
    return std::move(plan_);
  }

 private:
  void error(const TaskSpec& task, const std::string& message) {
    errors_.push_back({workload_.file.string(), task.mark.line, task.mark.column,
                       fmt::format("task '{}': {}", task.name, message), ""});
  }

  void add_task(const TaskSpec& task) {
    const std::string signature = speed_signature(task);
    std::shared_ptr<const TaskSpec> shared;
    plan_.tasks.push_back({task.name, signature});
    const size_t errors_before = errors_.size();
    bool fits = false;
    const std::vector<const Manifest*> allowed = allowed_parallelisms(task);
    for (const Manifest* manifest : allowed) {
      for (const auto& [kind, sizes] : sizes_) {
        for (const Shape& shape : feasible_shapes(task, *manifest, sizes)) {
          fits = true;
          if (!seen_.emplace(signature, manifest->name, kind, shape.devices, shape.nodes).second) continue;
          if (shared == nullptr) shared = std::make_shared<const TaskSpec>(task);
          plan_.trials.push_back({signature, shared, *manifest, shape.devices, kind, shape.nodes});
        }
      }
    }
    if (!fits && errors_.size() == errors_before) report_misfit(task, allowed);
  }

  /// Those that the task or else the workload names, where they fit it; without names, those of its kind.
  std::vector<const Manifest*> allowed_parallelisms(const TaskSpec& task) {
    const bool own = !task.parallelisms.empty();
    const auto& names = own ? task.parallelisms : workload_.parallelisms;
    std::vector<const Manifest*> allowed;
    std::string reasons;
    const auto consider = [&](const Manifest& manifest) {
      const std::string why = misfit(manifest, task);
      if (why.empty()) return allowed.push_back(&manifest);
      reasons += fmt::format("{}'{}' cannot train it: {}", reasons.empty() ? "" : "; ", manifest.name, why);
    };
    for (const std::string& name : names) {
      const Manifest* manifest = find(name);
      manifest == nullptr ? report_unknown(task, name) : consider(*manifest);
    }
    for (const Manifest& manifest : parallelisms_) {
      if (names.empty() && manifest.is_command() == task.script) consider(manifest);
    }
    if (!reasons.empty() && (own || allowed.empty())) error(task, reasons);
    if (names.empty() && task.script && allowed.size() > 1) report_choice(task, allowed);
    check_alike(task, allowed);
    return allowed;
  }

  static std::string names_of(const std::vector<const Manifest*>& manifests) {
    std::string text;
    for (const Manifest* manifest : manifests) text += (text.empty() ? "" : ", ") + manifest->name;
    return text;
  }

  /// Two scripts need not train the same thing.
  void report_choice(const TaskSpec& task, const std::vector<const Manifest*>& commands) {
    error(task,
          fmt::format("several commands are found: {}; name the one for it, or those that train the same "
                      "thing, in 'parallelisms'",
                      names_of(commands)));
  }

  /// A task may move between what it names, checkpoint in hand.
  void check_alike(const TaskSpec& task, const std::vector<const Manifest*>& allowed) {
    const auto is_command = [](const Manifest* manifest) { return manifest->is_command(); };
    const auto commands = std::count_if(allowed.begin(), allowed.end(), is_command);
    if (commands == 0 || commands == std::ssize(allowed)) return;
    error(task,
          fmt::format("may use {}, commands and native ones, which do not read each other's checkpoints; "
                      "name one kind in its 'parallelisms'",
                      names_of(allowed)));
  }

  const Manifest* find(const std::string& name) const {
    const auto found = std::find_if(parallelisms_.begin(), parallelisms_.end(),
                                    [&](const Manifest& manifest) { return manifest.name == name; });
    return found == parallelisms_.end() ? nullptr : &*found;
  }

  void report_unknown(const TaskSpec& task, const std::string& name) {
    std::vector<std::string> names;
    for (const Manifest& manifest : parallelisms_) names.push_back(manifest.name);
    error(task, fmt::format("there is no parallelism '{}'{}; found: {}", name, did_you_mean(name, names),
                            names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
  }

  /// Says which limit keeps the task from running anywhere.
  void report_misfit(const TaskSpec& task, const std::vector<const Manifest*>& allowed) {
    std::vector<std::string> usable;
    for (const Manifest* manifest : allowed) {
      usable.push_back(manifest->devices.empty()
                           ? manifest->name + " any number"
                           : fmt::format("{} {}", manifest->name, fmt::join(manifest->devices, " or ")));
    }
    if (usable.empty())
      return error(task,
                   task.script ? "no parallelism of kind 'command' is found" : "no parallelism is installed");
    std::int64_t largest = 0;
    for (const auto& [kind, sizes] : sizes_) largest = std::max(largest, sizes.front());
    const std::string wanted =
        task.devices.empty() ? "any number of" : fmt::format("{}", fmt::join(task.devices, " or "));
    error(task, fmt::format("fits on nothing: it may use {} devices, its parallelisms can use {}, and the "
                            "largest node has {}",
                            wanted, fmt::join(usable, ", "), largest));
  }

  const Workload& workload_;
  const std::vector<Manifest>& parallelisms_;
  const std::map<std::string, std::vector<std::int64_t>> sizes_;
  std::set<std::tuple<std::string, std::string, std::string, std::int64_t, std::int64_t>> seen_;
  TrialPlan plan_;
  std::vector<Diagnostic> errors_;
};

}  // namespace

std::string hardware_text(const Cluster& cluster, const Machine& machine) {
  std::map<std::string, std::pair<size_t, const Device*>> kinds;
  for (const Node& node : cluster.nodes) {
    if (node.devices.empty()) continue;
    auto& [count, sample] = kinds[node.kind];
    count += node.devices.size();
    sample = &node.devices.front();
  }
  std::string text = machine.cpu_model;
  for (const auto& [kind, entry] : kinds) {
    const auto& [count, device] = entry;
    text += fmt::format("; {}: {} device{} of {} core{}", kind, count, count == 1 ? "" : "s",
                        device->cores.size(), device->cores.size() == 1 ? "" : "s");
    if (device->memory_bytes > 0) text += " and " + to_text_bytes(device->memory_bytes);
    if (!device->name.empty()) text += fmt::format(" ({}, driver {})", device->name, machine.gpus.driver);
  }
  return text;
}

std::vector<std::int64_t> default_device_counts(std::int64_t node_size) {
  constexpr std::int64_t kAllUpTo = 8;
  std::vector<std::int64_t> counts;
  for (std::int64_t n = 1; n <= std::min(node_size, kAllUpTo); ++n) counts.push_back(n);
  for (std::int64_t n = 2 * kAllUpTo; n <= node_size; n *= 2) counts.push_back(n);
  if (!counts.empty() && counts.back() != node_size) counts.push_back(node_size);
  return counts;
}

std::vector<std::int64_t> node_counts(std::int64_t most) {
  std::vector<std::int64_t> counts;
  for (std::int64_t n = 2; n <= most; n *= 2) counts.push_back(n);
  if (most > 1 && counts.back() != most) counts.push_back(most);
  return counts;
}

TrialPlan plan_trials(const Workload& workload, const std::vector<Manifest>& parallelisms,
                      const Cluster& cluster, const Machine& machine) {
  TrialPlan plan = TrialPlanner(workload, parallelisms, cluster).run();
  plan.hardware = hardware_text(cluster, machine);
  return plan;
}

}  // namespace saturn
