// SPDX-License-Identifier: Apache-2.0
#include "plan/across/gangs.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>

#include "plan/model/pins.h"
#include "plan/model/running.h"
#include "plan/pinned_lines.h"

namespace saturn {
namespace {

const ProblemTask& task_of(const Problem& problem, const Gang& gang) {
  return problem.tasks[static_cast<size_t>(gang.task)];
}

void check_configuration(const ProblemTask& task, const Configuration& way,
                         std::vector<std::string>& errors) {
  if (way.nodes == 1) return;
  if (way.nodes < 1 || way.devices < way.nodes || way.devices % way.nodes != 0)
    errors.push_back(fmt::format("task '{}': {} devices on {} nodes are not as many on each", task.name,
                                 way.devices, way.nodes));
  if (!is_time(way.duration_seconds))
    errors.push_back(
        fmt::format("task '{}': {} on {} device(s){} takes {} s; that is between 0 and 1000000000 s",
                    task.name, way.parallelism, way.devices, across_text(way.nodes), way.duration_seconds));
}

/// What is wrong with the places of a gang on several nodes; empty: nothing.
std::string wrong_with(const Problem& problem, const std::vector<GangPart>& parts) {
  std::set<int> seen;
  for (const GangPart& part : parts) {
    if (part.node < 0 || part.node >= static_cast<int>(problem.nodes.size()))
      return fmt::format("node {}, but there are {}", part.node, problem.nodes.size());
    const ProblemNode& node = problem.nodes[static_cast<size_t>(part.node)];
    if (!seen.insert(part.node).second) return fmt::format("node '{}' twice", node.name);
    const ProblemNode& lead = problem.nodes[static_cast<size_t>(parts.front().node)];
    if (node.kind != lead.kind)
      return fmt::format("nodes '{}' and '{}' of different kinds", lead.name, node.name);
    if (part.devices.size() != parts.front().devices.size())
      return fmt::format("{} device(s) of node '{}' and {} of node '{}'", parts.front().devices.size(),
                         lead.name, part.devices.size(), node.name);
    std::set<int> devices;
    for (const int device : part.devices) {
      if (device < 0 || device >= static_cast<int>(node.free_at_seconds.size()))
        return fmt::format("device {} of node '{}', which has {}", device, node.name,
                           node.free_at_seconds.size());
      if (!devices.insert(device).second)
        return fmt::format("device {} of node '{}' twice", device, node.name);
    }
  }
  return "";
}

void check_pin_across(const Problem& problem, const ProblemTask& task, std::vector<std::string>& errors) {
  if (!task.pin) return;
  const Pin& pin = *task.pin;
  const auto count = static_cast<int>(task.configurations.size());
  if (pin.configuration && (*pin.configuration < 0 || *pin.configuration >= count)) return;  // reported
  const bool only_across = std::none_of(task.configurations.begin(), task.configurations.end(),
                                        [](const Configuration& way) { return way.nodes == 1; });
  if (only_across && !pin.devices.empty() && !pin.node) {
    errors.push_back(fmt::format("task '{}': devices are pinned, but not the nodes they are on", task.name));
    return;
  }
  if (!pin.further.empty()) {
    std::vector<GangPart> parts{{pin.node.value_or(-1), pin.devices}};
    parts.insert(parts.end(), pin.further.begin(), pin.further.end());
    if (const std::string wrong = wrong_with(problem, parts); !wrong.empty()) {
      errors.push_back(fmt::format("task '{}' is pinned to {}", task.name, wrong));
      return;
    }
  }
  if (pin.node && ways_within_pin(task).empty() && !task.configurations.empty() && !may_stay(task))
    errors.push_back(
        fmt::format("task '{}' is pinned to {} node(s){}, but no configuration it may use has as many",
                    task.name, pin.further.size() + 1,
                    pin.devices.empty() ? "" : fmt::format(" and {} device(s) of each", pin.devices.size())));
}

void check_running_across(const Problem& problem, const ProblemTask& task,
                          std::map<std::pair<int, int>, const ProblemTask*>& runs,
                          std::vector<std::string>& errors) {
  if (!task.running) return;
  const Running& running = *task.running;
  std::vector<GangPart> parts{{running.node, running.devices}};
  parts.insert(parts.end(), running.further.begin(), running.further.end());
  std::string wrong;
  if (parts.size() > 1) wrong = wrong_with(problem, parts);
  if (wrong.empty() &&
      (static_cast<int>(parts.size()) != running.staying.nodes ||
       (parts.size() > 1 && static_cast<int>(device_count(running)) != running.staying.devices)))
    wrong = fmt::format("{} device(s){}, but stays on {}{}", device_count(running),
                        across_text(static_cast<int>(parts.size())), running.staying.devices,
                        across_text(running.staying.nodes));
  if (!wrong.empty()) {
    errors.push_back(fmt::format("task '{}' runs on {}", task.name, wrong));
    return;
  }
  for (const GangPart& part : parts) {
    if (part.node < 0 || part.node >= static_cast<int>(problem.nodes.size())) return;  // reported
    const ProblemNode& node = problem.nodes[static_cast<size_t>(part.node)];
    for (const int device : part.devices) {
      const bool there = device >= 0 && device < static_cast<int>(node.free_at_seconds.size());
      if (parts.size() > 1 && there && release_millis(node.free_at_seconds[static_cast<size_t>(device)]) > 0)
        errors.push_back(fmt::format("task '{}' runs on device {} of node '{}', which is in use until {} s",
                                     task.name, device, node.name,
                                     node.free_at_seconds[static_cast<size_t>(device)]));
      const auto [found, added] = runs.emplace(std::pair(part.node, device), &task);
      if (!added && (parts.size() > 1 || found->second->running->staying.nodes > 1))
        errors.push_back(fmt::format("task '{}' runs on device {} of node '{}', but so does task '{}'",
                                     task.name, device, node.name, found->second->name));
    }
  }
}

Assignment line_of(const Problem& problem, int task, const Configuration& configuration) {
  const ProblemTask& of = problem.tasks[static_cast<size_t>(task)];
  Assignment line;
  line.task = of.name;
  line.parallelism = configuration.parallelism;
  line.knobs = configuration.knobs;
  if (of.pin) line.pinned = pinned_parts(*of.pin);
  return line;
}

void add_part(Assignment& line, const std::string& node, const std::vector<int>& devices) {
  if (line.devices.empty())
    line.node = node, line.devices = devices;
  else
    line.further.push_back({node, devices});
}

class Reducer {
 public:
  Reducer(const Problem& problem, const std::vector<Gang>& gangs) : problem_(problem) {
    for (const Gang& gang : gangs) placed_.emplace(gang.task, &gang);
    for (const ProblemTask& task : problem.tasks) names_.insert(task.name);
  }

  Reduced run() {
    result_.problem.nodes = problem_.nodes;
    result_.problem.objective = problem_.objective;
    for (size_t t = 0; t < problem_.tasks.size(); ++t) {
      const int task = static_cast<int>(t);
      first_.push_back(result_.origin.size());
      const auto placed = placed_.find(task);
      if (placed == placed_.end())
        add(on_one_node(problem_.tasks[t]), task, 0);
      else
        add_parts(*placed->second);
    }
    for (size_t t = 0; t < problem_.tasks.size(); ++t) add_order(static_cast<int>(t));
    return std::move(result_);
  }

 private:
  void add(ProblemTask added, int task, int part) {
    result_.problem.tasks.push_back(std::move(added));
    result_.origin.emplace_back(task, part);
  }

  /// The task without its configurations across nodes.
  static ProblemTask on_one_node(const ProblemTask& task) {
    ProblemTask result{task.name, {}, task.pin};
    if (task.running && task.running->staying.nodes == 1) result.running = task.running;
    if (result.pin) {
      result.pin->configuration.reset();
      result.pin->after.clear();
    }
    for (const int c : ways_within_pin(task)) {
      const Configuration& way = task.configurations[static_cast<size_t>(c)];
      if (way.nodes > 1) continue;
      if (task.pin && task.pin->configuration) result.pin->configuration = 0;
      result.configurations.push_back(way);
    }
    return result;
  }

  void add_parts(const Gang& gang) {
    const ProblemTask& task = task_of(problem_, gang);
    const Configuration& whole = configuration_of(problem_, gang);
    for (size_t p = 0; p < gang.parts.size(); ++p) {
      const GangPart& part = gang.parts[p];
      std::string name = p == 0 ? task.name : fmt::format("{} (part {})", task.name, p + 1);
      while (p > 0 && !names_.insert(name).second) name += "'";
      const Configuration on_this{whole.parallelism, whole.knobs, whole.device_kind,
                                  static_cast<int>(part.devices.size()), in_seconds(gang.duration)};
      add({std::move(name), {on_this}, Pin{0, part.node, part.devices, in_seconds(gang.start)}}, gang.task,
          static_cast<int>(p));
    }
  }

  /// A gang that follows others is where it is; but who is pinned before a pinned start has to be told.
  void add_order(int task) {
    const ProblemTask& of = problem_.tasks[static_cast<size_t>(task)];
    if (!of.pin || of.pin->after.empty()) return;
    const auto self = placed_.find(task);
    ProblemTask& mine = result_.problem.tasks[first_[static_cast<size_t>(task)]];
    for (const int before : of.pin->after) {
      const auto placed = placed_.find(before);
      if (placed == placed_.end()) {
        if (self == placed_.end() || self->second->parts.size() == 1)
          mine.pin->after.push_back(static_cast<int>(first_[static_cast<size_t>(before)]));
        continue;
      }
      if (self != placed_.end()) continue;
      for (size_t p = 0; p < placed->second->parts.size(); ++p) {
        const GangPart& part = placed->second->parts[p];
        if (part.node == of.pin->node.value_or(0) && share_a_device(part.devices, of.pin->devices))
          mine.pin->after.push_back(static_cast<int>(first_[static_cast<size_t>(before)] + p));
      }
    }
  }

  const Problem& problem_;
  std::map<int, const Gang*> placed_;
  std::set<std::string> names_;
  std::vector<size_t> first_;  ///< per task of the problem, its first one of the reduced problem
  Reduced result_;
};

}  // namespace

const Configuration& configuration_of(const Problem& problem, const Gang& gang) {
  const ProblemTask& task = task_of(problem, gang);
  return gang.configuration == kStays ? task.running->staying
                                      : task.configurations[static_cast<size_t>(gang.configuration)];
}

std::vector<int> ways_within_pin(const ProblemTask& task) {
  std::vector<int> ways = allowed_configurations(task);
  if (!task.pin || !task.pin->node) return ways;
  std::erase_if(ways, [&](int c) {
    const Configuration& way = task.configurations[static_cast<size_t>(c)];
    if (way.nodes != static_cast<int>(task.pin->further.size()) + 1) return true;
    return !task.pin->devices.empty() && way.devices_per_node() != static_cast<int>(task.pin->devices.size());
  });
  return ways;
}

void check_across(const Problem& problem, std::vector<std::string>& errors) {
  std::map<std::pair<int, int>, const ProblemTask*> runs;  // by node and device
  for (const ProblemTask& task : problem.tasks) {
    for (const Configuration& way : task.configurations) check_configuration(task, way, errors);
    check_pin_across(problem, task, errors);
    check_running_across(problem, task, runs, errors);
  }
}

Plan plan_of(const Problem& problem, const std::vector<Gang>& gangs) {
  Plan plan;
  for (const Gang& gang : gangs) {
    Assignment line = line_of(problem, gang.task, configuration_of(problem, gang));
    line.start_seconds = in_seconds(gang.start);
    line.duration_seconds = in_seconds(gang.duration);
    for (const GangPart& part : gang.parts)
      add_part(line, problem.nodes[static_cast<size_t>(part.node)].name, part.devices);
    plan.makespan_seconds = std::max(plan.makespan_seconds, in_seconds(gang.end()));
    plan.assignments.push_back(std::move(line));
  }
  sort_assignments(plan);
  return plan;
}

Reduced reduced(const Problem& problem, const std::vector<Gang>& gangs) {
  return Reducer(problem, gangs).run();
}

Plan joined(const Problem& problem, const Reduced& reduced, const Plan& plan) {
  std::map<std::string, const Assignment*> lines;
  for (const Assignment& line : plan.assignments) lines.emplace(line.task, &line);
  Plan result;
  for (size_t i = 0; i < reduced.origin.size(); ++i) {
    const auto& [task, part] = reduced.origin[i];
    const Assignment& line = *lines.at(reduced.problem.tasks[i].name);
    if (part == 0) {
      const ProblemTask& of = problem.tasks[static_cast<size_t>(task)];
      Assignment added = line;
      added.task = of.name;
      added.pinned = of.pin ? pinned_parts(*of.pin) : PinnedParts{};
      result.makespan_seconds = std::max(result.makespan_seconds, added.end_seconds());
      result.assignments.push_back(std::move(added));
    } else {
      result.assignments.back().further.push_back({line.node, line.devices});
    }
  }
  sort_assignments(result);
  return result;
}

}  // namespace saturn
