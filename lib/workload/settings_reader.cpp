// SPDX-License-Identifier: Apache-2.0
#include "workload/settings_reader.h"

#include <fmt/format.h>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "workload/objective_reader.h"
#include "workload/template.h"

namespace saturn {
namespace {

constexpr std::int64_t kMostDevices = 100'000;
constexpr std::int64_t kMostWork = 1'000'000'000'000'000;
constexpr std::int64_t kMostSteps = 1'000'000'000;

/// A duration that must not be zero.
double positive_seconds(MapReader& reader, std::string_view key, double fallback) {
  const double seconds = reader.seconds(key, fallback);
  if (seconds > 0) return seconds;
  reader.error(key, "must be more than 0");
  return fallback;
}

/// Which types of GPU there are is known only on their machine.
std::string kind_problem(std::string_view kind) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789-";
  if (!kind.empty() && kind.front() != '-' && kind.find_first_not_of(kAllowed) == std::string_view::npos)
    return "";
  return fmt::format(
      "must be cpu, cpu-NAME, gpu or a type of GPU such as h100 (lower-case letters, digits and "
      "'-'), not '{}'",
      kind);
}

NodeSpec read_node(const Value& value, Diagnostics& diagnostics) {
  MapReader reader(value, "cluster.nodes", diagnostics);
  NodeSpec node;
  if (reader.require("name")) {
    node.name = reader.text("name");
    const std::string problem = name_problem(node.name);
    if (!problem.empty()) reader.error("name", problem);
  }
  if (reader.require("devices")) node.devices = reader.integer("devices", 1, 1, kMostDevices);
  node.kind = reader.text("kind", node.kind);
  if (const std::string problem = kind_problem(node.kind); !problem.empty()) reader.error("kind", problem);
  node.memory_bytes = reader.bytes("memory", 0);
  node.cores_per_device = reader.integer("cores", 0, 0, kMostDevices);
  reader.finish();
  return node;
}

std::vector<NodeSpec> read_nodes(MapReader& cluster) {
  const Value& list = *cluster.value("nodes");
  if (list.kind != Value::Kind::kList || list.items.empty()) {
    cluster.error("nodes", list.kind == Value::Kind::kList
                               ? "is empty: give at least one node"
                               : "must be a list of nodes, not " + describe(list));
    return {};
  }
  std::vector<NodeSpec> nodes;
  std::map<std::string, int> line_of;
  for (const Value& item : list.items) {
    nodes.push_back(read_node(item, cluster.diagnostics()));
    const auto [first, fresh] = line_of.emplace(nodes.back().name, item.mark.line);
    if (!fresh && !nodes.back().name.empty())
      cluster.diagnostics().error(item.mark,
                                  fmt::format("cluster.nodes: the name '{}' is taken by the node on line {}",
                                              nodes.back().name, first->second));
  }
  return nodes;
}

}  // namespace

ClusterSpec read_cluster(MapReader& workload) {
  ClusterSpec spec;
  const Value* value = workload.value("cluster");
  if (value == nullptr) return spec;
  if (value->kind != Value::Kind::kMap) {
    const std::string word = value->kind == Value::Kind::kScalar ? value->scalar : "";
    if (word == "local") {
      spec.devices_of = DevicesOf::kMachine;
    } else if (word == "slurm") {
      spec.devices_of = DevicesOf::kSlurm;
    } else if (word != "auto") {
      workload.error(
          "cluster",
          fmt::format("must be auto, local, slurm, {{gpus}}, {{slots, slot_memory}} or {{nodes}}, not {}",
                      describe(*value)));
    }
    return spec;
  }
  MapReader reader(*value, "cluster", workload.diagnostics());
  const bool wants_slots = reader.has("slots") || reader.has("slot_memory");
  spec.gpus = reader.integer("gpus", wants_slots ? 0 : -1, 0, kMostDevices);
  if (spec.gpus > 0 && wants_slots)
    reader.error("gpus", "and CPU slots cannot be had at once; name the nodes");
  spec.slots = reader.integer("slots", 0, 0, kMostDevices);
  spec.slot_memory_bytes = reader.bytes("slot_memory", 0);
  if (reader.value("nodes") != nullptr) {
    spec.automatic = false;
    spec.nodes = read_nodes(reader);
    for (const char* key : {"gpus", "slots", "slot_memory"}) {
      if (reader.has(key)) reader.error(key, "does not go with nodes, which have 'devices' and 'memory'");
    }
  }
  reader.finish();
  return spec;
}

nlohmann::ordered_json cluster_section(const ClusterSpec& spec) {
  using Json = nlohmann::ordered_json;
  Json section = Json::object();
  if (spec.automatic) {
    // Slots mean that there are no GPUs, unless it says so.
    if (spec.gpus >= 0) section["gpus"] = spec.gpus;
    if (spec.slots > 0) section["slots"] = spec.slots;
    if (spec.slot_memory_bytes > 0) section["slot_memory"] = spec.slot_memory_bytes;
    if (!section.empty()) return section;
    return spec.devices_of == DevicesOf::kMachine ? "local"
           : spec.devices_of == DevicesOf::kSlurm ? "slurm"
                                                  : "auto";
  }
  for (const NodeSpec& node : spec.nodes) {
    Json json = {{"name", node.name}, {"devices", node.devices}, {"kind", node.kind}};
    if (node.memory_bytes > 0) json["memory"] = node.memory_bytes;
    if (node.cores_per_device > 0) json["cores"] = node.cores_per_device;
    section["nodes"].push_back(std::move(json));
  }
  return section;
}

ProfileSettings read_profile(MapReader& workload) {
  ProfileSettings settings;
  const Value* value = workload.value("profile");
  if (value == nullptr) return settings;
  MapReader reader(*value, "profile", workload.diagnostics());
  settings.trial_seconds = positive_seconds(reader, "trial_time", settings.trial_seconds);
  settings.warmup_steps = reader.integer("warmup_steps", settings.warmup_steps, 0, kMostSteps);
  settings.min_steps = reader.integer("min_steps", settings.min_steps, 1, kMostSteps);
  settings.max_steps = reader.integer("max_steps", settings.max_steps, 1, kMostSteps);
  if (settings.min_steps > settings.max_steps)
    reader.error(reader.has("min_steps") ? "min_steps" : "max_steps",
                 fmt::format("does not fit: min_steps {} is more than max_steps {}", settings.min_steps,
                             settings.max_steps));
  settings.trial_timeout_seconds = positive_seconds(reader, "trial_timeout", settings.trial_timeout_seconds);
  settings.unstable_spread = reader.number("unstable_spread", settings.unstable_spread, 0, 100);
  reader.finish();
  return settings;
}

PlanSettings read_plan(MapReader& workload) {
  PlanSettings settings;
  const Value* value = workload.value("plan");
  if (value == nullptr) return settings;
  MapReader reader(*value, "plan", workload.diagnostics());
  settings.time_limit_seconds = positive_seconds(reader, "time_limit", settings.time_limit_seconds);
  settings.gap = reader.number("gap", settings.gap, 0, 1);
  settings.objective = read_objective(reader);
  settings.method = reader.choice("method", settings.method, {"auto", "paper"});
  settings.seed =
      static_cast<std::uint64_t>(reader.integer("seed", 0, 0, std::numeric_limits<std::int64_t>::max()));
  settings.work = reader.integer("work", settings.work, 1, kMostWork);
  reader.finish();
  return settings;
}

namespace {

constexpr std::int64_t kMostRung = 1'000'000'000'000;

HalvingSettings read_halving(MapReader& run) {
  HalvingSettings settings;
  const Value* value = run.value("halving");
  if (value == nullptr) return settings;
  MapReader reader(*value, "run.halving", run.diagnostics());
  if (reader.require("rungs")) settings.rungs = reader.integers("rungs", 1, kMostRung);
  for (size_t i = 1; i < settings.rungs.size(); ++i) {
    if (settings.rungs[i] > settings.rungs[i - 1]) continue;
    reader.error("rungs", fmt::format("must be in ascending order: {} follows {}", settings.rungs[i],
                                      settings.rungs[i - 1]));
    break;
  }
  settings.mark = reader.mark("rungs");
  settings.reduction_factor = reader.integer("reduction_factor", settings.reduction_factor, 2, 1000);
  reader.finish();
  return settings;
}

}  // namespace

RunSettings read_run(MapReader& workload) {
  RunSettings settings;
  const Value* value = workload.value("run");
  if (value == nullptr) return settings;
  MapReader reader(*value, "run", workload.diagnostics());
  settings.directory = reader.text("directory");
  if (reader.has("directory") && settings.directory.empty()) reader.error("directory", "must not be empty");
  settings.checkpoint_interval_seconds =
      positive_seconds(reader, "checkpoint_interval", settings.checkpoint_interval_seconds);
  settings.stop_grace_seconds = positive_seconds(reader, "stop_grace", settings.stop_grace_seconds);
  settings.start_timeout_seconds = positive_seconds(reader, "start_timeout", settings.start_timeout_seconds);
  settings.hang_timeout_seconds = positive_seconds(reader, "hang_timeout", settings.hang_timeout_seconds);
  settings.keep_checkpoints = reader.integer("keep_checkpoints", settings.keep_checkpoints, 1, 1'000'000);
  settings.retries = reader.integer("retries", settings.retries, 0, 1000);
  settings.introspection_interval_seconds =
      reader.seconds("introspection_interval", settings.introspection_interval_seconds);
  settings.introspection_threshold =
      reader.number("introspection_threshold", settings.introspection_threshold, 0, 1);
  settings.introspection_tolerance =
      reader.number("introspection_tolerance", settings.introspection_tolerance, 0, 1000);
  settings.halving = read_halving(reader);
  settings.budget = read_budget(reader);
  settings.on_finish = reader.text("on_finish");
  const Value* command = reader.value("on_finish");
  const bool is_text = command != nullptr && command->kind == Value::Kind::kScalar;
  if (is_text && command->scalar.find_first_not_of(" \t\n") == std::string::npos)
    reader.error("on_finish", "must not be empty");
  settings.on_finish_timeout_seconds =
      positive_seconds(reader, "on_finish_timeout", settings.on_finish_timeout_seconds);
  reader.finish();
  return settings;
}

}  // namespace saturn
