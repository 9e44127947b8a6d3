// SPDX-License-Identifier: Apache-2.0
#include "run/gang.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

namespace saturn {
namespace {

template <typename T>
const T* named(const std::vector<T>& things, const std::string& name) {
  const auto found =
      std::find_if(things.begin(), things.end(), [&](const T& thing) { return thing.name == name; });
  return found == things.end() ? nullptr : &*found;
}

template <typename T>
std::vector<std::string> names(const std::vector<T>& things) {
  std::vector<std::string> result;
  for (const T& thing : things) result.push_back(thing.name);
  return result;
}

/// Devices by node; nodes of which there are none are left out.
using DeviceSets = std::map<std::string, std::set<int>>;

/// Not lost, and not kept for trials.
bool is_usable(const RunState& state, const std::string& node, int device) {
  const auto measuring = state.measuring.find(node);
  return !state.lost.contains({node, device}) &&
         (measuring == state.measuring.end() || !measuring->second.contains(device));
}

DeviceSets free_devices(const RunSetup& setup, const RunState& state) {
  DeviceSets free;
  for (const Node& node : setup.cluster.nodes) {
    const auto held = state.held.find(node.name);
    const bool any_held = held != state.held.end();
    if (any_held && held->second.size() >= node.devices.size()) continue;
    for (const Device& device : node.devices) {
      const bool is_held = any_held && held->second.contains(device.index);
      if (!is_held && is_usable(state, node.name, device.index)) free[node.name].insert(device.index);
    }
  }
  return free;
}

void take(DeviceSets& free, const std::string& node, const std::vector<int>& devices) {
  const auto found = free.find(node);
  if (found == free.end()) return;
  for (const int device : devices) found->second.erase(device);
  if (found->second.empty()) free.erase(found);
}

/// All parts of a gang, or of a line.
template <class Gang>
void take(DeviceSets& free, const Gang& gang) {
  for_each_part(gang,
                [&](const std::string& node, const std::vector<int>& devices) { take(free, node, devices); });
}

void give_back(DeviceSets& free, const GangStarted& gang, const RunState& state) {
  for_each_part(gang, [&](const std::string& node, const std::vector<int>& devices) {
    for (const int device : devices)
      if (is_usable(state, node, device)) free[node].insert(device);
  });
}

/// How many of the line's devices are among them.
size_t count_free(const DeviceSets& free, const Assignment& line) {
  size_t count = 0;
  for_each_part(line, [&](const std::string& node, const std::vector<int>& devices) {
    const auto found = free.find(node);
    if (found == free.end()) return;
    count += static_cast<size_t>(std::count_if(devices.begin(), devices.end(),
                                               [&](int device) { return found->second.contains(device); }));
  });
  return count;
}

void check_devices(const Node& node, const Assignment& a, const std::vector<int>& devices,
                   const std::function<void(std::string)>& error) {
  std::set<int> seen;
  for (const int device : devices) {
    if (device < 0 || device >= static_cast<int>(node.devices.size())) {
      error(fmt::format("task '{}': node '{}' has no device {} (it has {}, counted from 0)", a.task,
                        node.name, device, node.devices.size()));
    }
    if (!seen.insert(device).second)
      error(fmt::format("task '{}': device {} is named twice", a.task, device));
  }
  if (devices.empty()) error(fmt::format("task '{}': no devices", a.task));
}

/// "" or why the parallelism has no such knob, or not with that value.
std::string knob_problem(const Manifest& manifest, const std::string& knob, const std::string& value) {
  const auto found = manifest.knobs.find(knob);
  if (found == manifest.knobs.end()) {
    if (!manifest.is_command()) return "";  // a plug-in may have more than its manifest lists
    std::vector<std::string> known;
    for (const auto& [name, values] : manifest.knobs) known.push_back(name);
    return fmt::format("parallelism '{}' has no knob '{}'{}", manifest.name, knob, did_you_mean(knob, known));
  }
  const auto is_candidate = [&](const std::string& text) {
    return std::find(found->second.begin(), found->second.end(), text) != found->second.end();
  };
  if (is_candidate(value) || is_candidate("auto")) return "";  // auto: the search makes values of its own
  return fmt::format("knob '{}' of parallelism '{}' is {}, which is none of its candidates {}", knob,
                     manifest.name, value, fmt::join(found->second, ", "));
}

void check_assignment(const RunSetup& setup, const Assignment& a,
                      const std::function<void(std::string)>& error) {
  if (setup.task(a.task) == nullptr) {
    error(fmt::format("the workload has no task '{}'{}", a.task, did_you_mean(a.task, names(setup.tasks))));
  }
  if (setup.manifest(a.parallelism) == nullptr) {
    error(fmt::format("task '{}': there is no parallelism '{}'{}", a.task, a.parallelism,
                      did_you_mean(a.parallelism, names(setup.manifests))));
  }
  std::set<std::string> seen;
  for_each_part(a, [&](const std::string& name, const std::vector<int>& devices) {
    if (const Node* node = setup.node(name)) {
      check_devices(*node, a, devices, error);
    } else {
      error(fmt::format("task '{}': the cluster has no node '{}'{}", a.task, name,
                        did_you_mean(name, names(setup.cluster.nodes))));
    }
    if (!seen.insert(name).second)
      error(fmt::format("task '{}': two parts of its gang are on node '{}'", a.task, name));
    if (devices.size() != a.devices.size())
      error(fmt::format("task '{}': its gang has {} device(s) on node '{}', but {} on node '{}'", a.task,
                        devices.size(), name, a.devices.size(), a.node));
  });
}

}  // namespace

const TaskSpec* RunSetup::task(const std::string& name) const {
  return named(tasks, name);
}
const Manifest* RunSetup::manifest(const std::string& name) const {
  return named(manifests, name);
}
const Node* RunSetup::node(const std::string& name) const {
  return named(cluster.nodes, name);
}

std::map<std::string, int> device_counts(const Cluster& cluster) {
  std::map<std::string, int> counts;
  for (const Node& node : cluster.nodes) counts[node.name] = static_cast<int>(node.devices.size());
  return counts;
}

Job make_job(const RunSetup& setup, const Assignment& assignment) {
  Job job;
  job.mode = Job::Mode::kTrain;
  job.task = *setup.task(assignment.task);
  job.parallelism = assignment.parallelism;
  const Manifest& manifest = *setup.manifest(assignment.parallelism);
  job.library = manifest.library;
  if (manifest.is_command()) {
    job.command = manifest.command;
    job.knob_candidates = manifest.knobs;  // the first ones stand in for those that the plan leaves out
  }
  job.knobs = assignment.knobs;
  job.device_kind = setup.node(assignment.node)->kind;
  for_each_part(assignment, [&](const std::string& name, const std::vector<int>& devices) {
    const Node& node = *setup.node(name);
    for (const int device : devices) job.devices.push_back(node.devices.at(static_cast<size_t>(device)));
    if (!assignment.further.empty()) job.nodes.push_back({name, static_cast<int>(devices.size())});
  });
  job.directory = setup.directory.task_directory(assignment.task);
  job.checkpoint_interval_seconds = setup.settings.checkpoint_interval_seconds;
  job.keep_checkpoints = setup.settings.keep_checkpoints;
  job.validate_at = setup.settings.halving.rungs;
  job.stop_grace_seconds = setup.settings.stop_grace_seconds;
  return job;
}

GangSpec make_gang(const RunSetup& setup, const Assignment& assignment) {
  GangSpec gang;
  gang.name = assignment.task;
  gang.node = assignment.node;
  gang.log = setup.directory.log_file(assignment.task);
  gang.job = make_job(setup, assignment);
  gang.ranks = rank_commands({setup.worker, setup.saturn}, gang.job,
                             setup.directory.task_directory(assignment.task) / "job.json");
  return gang;
}

GangSpec ahead_of_time(GangSpec gang, const std::filesystem::path& job_file) {
  gang.ahead = true;
  for (std::vector<std::string>& argv : gang.ranks)
    argv.insert(argv.end(), {"--ahead", job_file.string(), "--gate", "{gate}"});
  return gang;
}

bool same_place(const GangStarted& gang, const Assignment& line) {
  return gang.parallelism == line.parallelism && gang.knobs == line.knobs && gang.node == line.node &&
         gang.devices == line.devices && gang.further == line.further;
}

bool is_possible(const RunSetup& setup, const Assignment& line, const RunState& state) {
  const bool is_lost = any_device(line, [&](const std::string& node, int device) {
    return state.lost.contains({node, device});
  });
  if (is_lost) return false;
  const TaskState* task = state.task(line.task);
  if (task == nullptr || task->ruled_out.empty()) return true;
  const Node* node = setup.node(line.node);
  return std::none_of(task->ruled_out.begin(), task->ruled_out.end(), [&](const ConfigurationRuledOut& out) {
    return out.parallelism == line.parallelism && out.knobs == line.knobs &&
           out.devices == static_cast<int>(device_count(line)) && out.nodes == node_count(line) &&
           node != nullptr && out.device_kind == node->kind;
  });
}

std::vector<const Assignment*> due(const RunSetup& setup, const Plan& plan, const RunState& state,
                                   const std::set<std::string>& as_if_gone) {
  DeviceSets free = free_devices(setup, state);
  for (const std::string& name : as_if_gone) {
    const TaskState* task = state.task(name);
    if (task != nullptr && task->holds_devices) give_back(free, *task->gang, state);
  }
  std::vector<const Assignment*> result;
  for (const Assignment& line : plan.assignments) {
    if (free.empty()) break;
    const size_t there = count_free(free, line);
    if (there == 0) continue;  // it can neither start nor keep anything from another
    const TaskState* task = state.task(line.task);
    const bool rests = task != nullptr && (task->over() || task->phase == TaskState::Phase::kPaused);
    if (rests || !is_possible(setup, line, state)) continue;
    const bool gone = as_if_gone.contains(line.task);
    if (gone && task != nullptr && task->gang && same_place(*task->gang, line)) continue;
    // A gang on its way to another place has its new devices kept for it.
    const bool leaving = task != nullptr && task->holds_devices && !gone;
    if (!leaving && there == device_count(line)) result.push_back(&line);
    take(free, line);
  }
  return result;
}

std::optional<Assignment> elsewhere(const RunSetup& setup, const Plan& plan, const RunState& state,
                                    const Assignment& line, const GangStarted& failed) {
  const Node* own = setup.node(line.node);
  if (own == nullptr || !line.further.empty()) return {};
  DeviceSets free = free_devices(setup, state);
  take(free, failed);
  for (const Assignment* next : due(setup, plan, state))
    if (next->task != line.task) take(free, *next);
  std::vector<const Node*> nodes = {own};
  for (const Node& node : setup.cluster.nodes)
    if (node.kind == own->kind && node.name != own->name) nodes.push_back(&node);
  for (const Node* node : nodes) {
    const auto found = free.find(node->name);
    if (found == free.end() || found->second.size() < line.devices.size()) continue;
    Assignment other = line;
    other.node = node->name;
    other.devices.assign(found->second.begin(), std::next(found->second.begin(), std::ssize(line.devices)));
    return other;
  }
  return {};
}

std::vector<std::string> tasks_to_reopen(const std::vector<TaskSpec>& tasks, const RunState& state) {
  std::vector<std::string> names;
  for (const TaskSpec& task : tasks) {
    if (!state.is_over(task.name)) continue;
    const TaskState& state_now = *state.task(task.name);
    // One that was dropped is back when the workload has it.
    const bool failed = state_now.phase != TaskState::Phase::kFinished;
    const bool other_rule =
        !state_now.ended_early.empty() && state_now.stop_rule != to_json(task.stop).dump();
    if (failed || other_rule || state_now.finished_of < task.steps) names.push_back(task.name);
  }
  return names;
}

RunState next_session(RunState state, const std::vector<TaskSpec>& tasks) {
  apply(state, SessionStarted{});  // ends what a session that was killed left running
  for (const std::string& task : tasks_to_reopen(tasks, state)) apply(state, TaskReopened{0, task});
  return state;
}

std::vector<Diagnostic> check_knobs(const std::vector<Manifest>& manifests, const Plan& plan) {
  std::vector<Diagnostic> diagnostics;
  for (const Assignment& a : plan.assignments) {
    const Manifest* manifest = named(manifests, a.parallelism);
    if (manifest == nullptr) continue;  // reported as such
    for (const auto& [knob, value] : a.knobs) {
      const std::string wrong = knob_problem(*manifest, knob, value);
      if (!wrong.empty())
        diagnostics.push_back(
            {plan.file, a.mark.line, a.mark.column, fmt::format("task '{}': {}", a.task, wrong), ""});
    }
  }
  return diagnostics;
}

std::vector<Diagnostic> check_executable(const RunSetup& setup, const Plan& plan, const RunState& state) {
  const std::string file = plan.file.empty() ? setup.directory.plan_file().string() : plan.file;
  std::vector<Diagnostic> diagnostics;
  for (Diagnostic& wrong : check_knobs(setup.manifests, plan)) {
    wrong.file = file;
    diagnostics.push_back(std::move(wrong));
  }
  std::set<std::string> planned;
  for (const Assignment& assignment : plan.assignments) {
    const auto error = [&](std::string message) {
      diagnostics.push_back({file, assignment.mark.line, assignment.mark.column, std::move(message), ""});
    };
    check_assignment(setup, assignment, error);
    if (!planned.insert(assignment.task).second)
      error(fmt::format("task '{}' is planned twice", assignment.task));
  }
  for (const TaskSpec& task : setup.tasks) {
    const TaskState* now = state.task(task.name);
    // One that waits at a rung is planned when it goes on.
    const bool rests = now != nullptr && (now->over() || now->phase == TaskState::Phase::kPaused);
    if (rests || planned.contains(task.name)) continue;
    diagnostics.push_back({file, 0, 0, fmt::format("task '{}' is not in the plan", task.name), ""});
  }
  return diagnostics;
}

}  // namespace saturn
