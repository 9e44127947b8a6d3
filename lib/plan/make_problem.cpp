// SPDX-License-Identifier: Apache-2.0
#include "plan/make_problem.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

namespace saturn {
namespace {

template <class... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <class... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

template <class T>
bool allows(const std::vector<T>& allowed, const T& value) {
  return allowed.empty() || std::find(allowed.begin(), allowed.end(), value) != allowed.end();
}

/// Nodes of the kind that have so many devices.
std::int64_t wide_nodes(const Cluster& cluster, const std::string& kind, std::int64_t devices) {
  return std::count_if(cluster.nodes.begin(), cluster.nodes.end(), [&](const Node& node) {
    return node.kind == kind && std::ssize(node.devices) >= devices;
  });
}

std::int64_t largest_node(const Cluster& cluster, const std::string& kind) {
  size_t largest = 0;
  for (const Node& node : cluster.nodes)
    if (node.kind == kind) largest = std::max(largest, node.devices.size());
  return static_cast<std::int64_t>(largest);
}

/// Why this trial is no configuration of the task; empty when it is one.
std::string why_not(const TaskSpec& task, const Trial& trial, const Cluster& cluster) {
  const std::int64_t largest = largest_node(cluster, trial.device_kind);
  if (!allows(task.parallelisms, trial.parallelism)) return "not among the parallelisms the task allows";
  if (!allows(task.devices, trial.devices))
    return fmt::format("the task allows {} device(s) only", fmt::join(task.devices, ", "));
  if (trial.nodes > task.across_nodes)
    return fmt::format("the task allows {} node{} (across_nodes)", task.across_nodes,
                       task.across_nodes == 1 ? "" : "s");
  if (largest == 0) return fmt::format("no node has {} devices", trial.device_kind);
  const std::int64_t on_each = trial.devices / trial.nodes;
  if (on_each > largest)
    return fmt::format("the largest {} node has {} device(s)", trial.device_kind, largest);
  if (const std::int64_t there = wide_nodes(cluster, trial.device_kind, on_each); trial.nodes > there)
    return fmt::format("only {} node{} {} or more {} device(s)", there, there == 1 ? " has" : "s have",
                       on_each, trial.device_kind);
  return std::visit(Overloaded{[](const Measured&) -> std::string { return ""; },
                               [](const OutOfMemory& outcome) { return outcome.message; },
                               [](const NotApplicable& outcome) { return "not applicable: " + outcome.why; },
                               [](const TrialFailed& outcome) { return "failed: " + outcome.why; }},
                    trial.outcome);
}

std::string name_of(const Trial& trial) {
  const std::string knobs = to_text(trial.knobs);
  return fmt::format("{}{} on {} x {}{}", trial.parallelism, knobs.empty() ? "" : " (" + knobs + ")",
                     trial.devices, trial.device_kind, across_text(static_cast<int>(trial.nodes)));
}

const Trial* best_like(const Profile& profile, const Trial& trial) {
  return best_trial(profile, trial.signature, trial.parallelism, trial.devices, trial.device_kind,
                    trial.nodes);
}

std::string no_configuration(const TaskSpec& task, const std::vector<std::string>& reasons) {
  if (reasons.empty()) return fmt::format("task '{}' has not been profiled", task.name);
  return fmt::format("task '{}' can run in no way that was tried:\n    {}", task.name,
                     fmt::join(reasons, "\n    "));
}

std::vector<Configuration> configurations_of(const TaskSpec& task, const Cluster& cluster,
                                             const Profile& profile, const RunSettings& run,
                                             std::int64_t steps, std::vector<std::string>& reasons) {
  const std::string signature = speed_signature(task);
  std::vector<Configuration> result;
  for (const Trial& trial : profile.trials) {
    if (trial.signature != signature) continue;
    const std::string reason = why_not(task, trial, cluster);
    if (!reason.empty()) {
      reasons.push_back(name_of(trial) + ": " + reason);
      continue;
    }
    if (best_like(profile, trial) != &trial) continue;
    result.push_back({trial.parallelism, trial.knobs, trial.device_kind, static_cast<int>(trial.devices),
                      duration_seconds(task, std::get<Measured>(trial.outcome), run, steps),
                      static_cast<int>(trial.nodes)});
  }
  return result;
}

}  // namespace

double duration_seconds(const TaskSpec& task, const Measured& measured, const RunSettings& run,
                        std::int64_t steps) {
  const double training = static_cast<double>(steps) * measured.step_seconds;
  const std::int64_t on_the_way =
      std::max<std::int64_t>(0, steps - 1);  // the last step's are those at the end
  double validations = 1;
  if (task.validate_every_steps > 0)
    validations += static_cast<double>(on_the_way / task.validate_every_steps);
  double checkpoints = 0;  // on the way: they are written while training goes on
  if (task.checkpoint_every_steps > 0)
    checkpoints = static_cast<double>(on_the_way / task.checkpoint_every_steps);
  else if (run.checkpoint_interval_seconds > 0)
    checkpoints = std::floor(training / run.checkpoint_interval_seconds);
  return measured.startup_seconds + training + validations * measured.validation_seconds +
         checkpoints * measured.checkpoint_held_seconds + measured.checkpoint_seconds;
}

Problem make_problem(const std::vector<TaskSpec>& tasks, const Cluster& cluster, const Profile& profile,
                     const RunSettings& run, const RemainingSteps& remaining) {
  Problem problem;
  std::vector<Diagnostic> errors;
  for (const Node& node : cluster.nodes)
    problem.nodes.push_back({node.name, node.kind, std::vector<double>(node.devices.size(), 0.0)});
  for (const TaskSpec& task : tasks) {
    const auto left = remaining.find(task.name);
    const std::int64_t steps = left == remaining.end() ? task.steps : left->second;
    std::vector<std::string> reasons;
    std::vector<Configuration> configurations =
        configurations_of(task, cluster, profile, run, steps, reasons);
    if (configurations.empty()) errors.push_back({"", 0, 0, no_configuration(task, reasons), ""});
    problem.tasks.push_back({task.name, std::move(configurations), std::nullopt});
  }
  if (!errors.empty()) throw InputError(std::move(errors));
  return problem;
}

std::string why_impossible(const TaskSpec& task, const Cluster& cluster, const Profile& profile) {
  std::vector<std::string> reasons;
  const auto ways = configurations_of(task, cluster, profile, RunSettings{}, task.steps, reasons);
  return ways.empty() ? no_configuration(task, reasons) : "";
}

std::vector<std::string> unavailable_ways(const TaskSpec& task, const Cluster& cluster,
                                          const Profile& profile) {
  const std::string signature = speed_signature(task);
  std::vector<std::string> ways;
  for (const Trial& trial : profile.trials) {
    if (trial.signature != signature) continue;
    std::string reason = why_not(task, trial, cluster);
    const Trial* best = best_like(profile, trial);
    if (reason.empty() && best != &trial) reason = fmt::format("slower than with {}", to_text(best->knobs));
    if (!reason.empty()) ways.push_back(name_of(trial) + ": " + reason);
  }
  return ways;
}

}  // namespace saturn
