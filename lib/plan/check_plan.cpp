// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <set>

#include "plan/plan.h"

namespace saturn {
namespace {

/// Plans count in milliseconds.
constexpr double kRounding = 1.001e-3;
/// Of the binary form of decimal times.
constexpr double kTolerance = 1e-5;

std::string time_text(double seconds) {
  std::string text = fmt::format("{:.3f}", seconds);
  while (text.back() == '0' && text[text.size() - 2] != '.') text.pop_back();
  return text + " s";
}

std::string device_list(const std::vector<int>& devices) {
  return fmt::format("device{} {}", devices.size() == 1 ? "" : "s", fmt::join(devices, ", "));
}

std::string shape_text(const Configuration& configuration) {
  const std::string knobs = to_text(configuration.knobs);
  return fmt::format("{}{} on {} x {}{}", configuration.parallelism, knobs.empty() ? "" : " (" + knobs + ")",
                     configuration.devices, configuration.device_kind, across_text(configuration.nodes));
}

/// The lead part and the others.
std::vector<NodeDevices> parts_of(const Assignment& line) {
  std::vector<NodeDevices> parts{{line.node, line.devices}};
  parts.insert(parts.end(), line.further.begin(), line.further.end());
  return parts;
}

int devices_of(const Assignment& line) {
  size_t count = 0;
  for (const NodeDevices& part : parts_of(line)) count += part.devices.size();
  return static_cast<int>(count);
}

class Checker {
 public:
  Checker(const Problem& problem, const Plan& plan) : problem_(problem), plan_(plan) {
    for (const ProblemTask& task : problem.tasks) tasks_.emplace(task.name, &task);
    for (const Assignment& line : plan.assignments) lines_.emplace(line.task, &line);
    for (const ProblemNode& node : problem.nodes) nodes_.emplace(node.name, &node);
  }

  std::vector<Diagnostic> run() {
    for (const Assignment& assignment : plan_.assignments) check(assignment);
    check_missing();
    check_overlaps();
    check_summary();
    std::stable_sort(found_.begin(), found_.end(), [](const Diagnostic& a, const Diagnostic& b) {
      return std::tie(a.line, a.column) < std::tie(b.line, b.column);
    });
    return std::move(found_);
  }

 private:
  void error(Mark mark, std::string message) {
    found_.push_back({plan_.file, mark.line, mark.column, std::move(message), ""});
  }

  void check(const Assignment& assignment) {
    const auto task = tasks_.find(assignment.task);
    const auto node = nodes_.find(assignment.node);
    if (task == tasks_.end())
      error(assignment.mark, fmt::format("there is no task '{}'{}", assignment.task,
                                         did_you_mean(assignment.task, names(tasks_))));
    else
      check_once(assignment);
    for (const NodeDevices& part : parts_of(assignment)) {
      const auto there = nodes_.find(part.node);
      if (there == nodes_.end())
        error(assignment.mark, fmt::format("task '{}': there is no node '{}'{}", assignment.task, part.node,
                                           did_you_mean(part.node, names(nodes_))));
      else
        check_devices(assignment, part.devices, *there->second);
    }
    if (!assignment.further.empty()) check_parts(assignment);
    check_times(assignment);
    if (task == tasks_.end() || node == nodes_.end()) return;
    check_configuration(assignment, *task->second, *node->second);
    if (task->second->pin) check_pin(assignment, *task->second);
  }

  template <class T>
  static std::vector<std::string> names(const std::map<std::string, T>& map) {
    std::vector<std::string> result;
    for (const auto& [name, value] : map) result.push_back(name);
    return result;
  }

  void check_once(const Assignment& assignment) {
    const auto [first, added] = seen_.emplace(assignment.task, assignment.mark);
    if (added) return;
    const std::string where =
        first->second.line > 0 ? fmt::format(" (first on line {})", first->second.line) : "";
    error(assignment.mark, fmt::format("task '{}' is planned twice{}", assignment.task, where));
  }

  /// A gang across nodes: each part on another node, all of one kind, as many devices on each.
  void check_parts(const Assignment& assignment) {
    std::set<std::string> seen;
    for (const NodeDevices& part : parts_of(assignment)) {
      if (!seen.insert(part.node).second)
        error(assignment.mark,
              fmt::format("task '{}' has two parts on node '{}'", assignment.task, part.node));
      if (part.devices.size() != assignment.devices.size())
        error(
            assignment.mark,
            fmt::format("task '{}' has {} on node '{}', but {} on node '{}': each node of a gang has as many",
                        assignment.task, part.devices.size(), part.node, assignment.devices.size(),
                        assignment.node));
      const auto lead = nodes_.find(assignment.node), there = nodes_.find(part.node);
      if (lead == nodes_.end() || there == nodes_.end() || lead->second->kind == there->second->kind)
        continue;
      error(assignment.mark,
            fmt::format("task '{}' is on {} of node '{}' and on {} of node '{}'", assignment.task,
                        lead->second->kind, assignment.node, there->second->kind, part.node));
    }
  }

  void check_devices(const Assignment& assignment, const std::vector<int>& devices, const ProblemNode& node) {
    if (devices.empty()) error(assignment.mark, fmt::format("task '{}' has no devices", assignment.task));
    std::set<int> seen;
    for (const int device : devices) {
      if (device < 0 || device >= static_cast<int>(node.free_at_seconds.size())) {
        error(assignment.mark, fmt::format("task '{}': node '{}' has no device {}; it has {}",
                                           assignment.task, node.name, device, node.free_at_seconds.size()));
        continue;
      }
      if (!seen.insert(device).second)
        error(assignment.mark, fmt::format("task '{}' names device {} twice", assignment.task, device));
      else if (assignment.start_seconds < node.free_at_seconds[static_cast<size_t>(device)] - kTolerance)
        error(assignment.mark,
              fmt::format("task '{}' starts at {}, but device {} of node '{}' is in use until {}",
                          assignment.task, time_text(assignment.start_seconds), device, node.name,
                          time_text(node.free_at_seconds[static_cast<size_t>(device)])));
    }
  }

  void check_times(const Assignment& assignment) {
    const auto check_time = [&](const char* what, double seconds) {
      if (!(seconds >= 0) || !std::isfinite(seconds))
        error(assignment.mark, fmt::format("task '{}': {} is {}", assignment.task, what, seconds));
    };
    check_time("start_seconds", assignment.start_seconds);
    check_time("duration_seconds", assignment.duration_seconds);
  }

  void check_configuration(const Assignment& assignment, const ProblemTask& task, const ProblemNode& node) {
    if (task.running && is_staying(assignment, *task.running)) return;
    std::vector<std::string> known;
    for (const Configuration& configuration : task.configurations) {
      known.push_back(shape_text(configuration));
      if (!same(configuration, assignment, node)) continue;
      if (std::abs(assignment.duration_seconds - configuration.duration_seconds) > kRounding)
        error(assignment.mark, fmt::format("task '{}': duration_seconds is {}, but {} takes {}", task.name,
                                           time_text(assignment.duration_seconds), shape_text(configuration),
                                           time_text(configuration.duration_seconds)));
      return;
    }
    if (task.running) {
      const Running& running = *task.running;
      std::string place;
      for (const NodeDevices& part : parts_of(running))
        place += fmt::format("{}{} of node '{}'", place.empty() ? "" : " and ", device_list(part.devices),
                             part.node);
      known.push_back(fmt::format("{} for {} from 0 s on, staying on {}", shape_text(running.staying),
                                  time_text(running.staying.duration_seconds), place));
    }
    const Configuration wanted{assignment.parallelism,
                               assignment.knobs,
                               node.kind,
                               devices_of(assignment),
                               0,
                               static_cast<int>(parts_of(assignment).size())};
    error(assignment.mark, fmt::format("task '{}' was not measured as {}; it was as {}", task.name,
                                       shape_text(wanted), fmt::join(known, ", ")));
  }

  /// The gang that runs already goes on as it is.
  bool is_staying(const Assignment& line, const Running& running) const {
    const ProblemNode& node = problem_.nodes.at(static_cast<size_t>(running.node));
    return parts_of(running) == parts_of(line) && same(running.staying, line, node) &&
           std::abs(line.start_seconds) <= kTolerance &&
           std::abs(line.duration_seconds - running.staying.duration_seconds) <= kRounding;
  }

  /// By names, devices ascending.
  std::vector<NodeDevices> parts_of(const Running& running) const {
    std::vector<NodeDevices> parts;
    for_each_part(running, [&](int node, std::vector<int> devices) {
      std::sort(devices.begin(), devices.end());
      parts.push_back({problem_.nodes.at(static_cast<size_t>(node)).name, std::move(devices)});
    });
    return parts;
  }
  static std::vector<NodeDevices> parts_of(const Assignment& line) { return saturn::parts_of(line); }

  static bool same(const Configuration& configuration, const Assignment& assignment,
                   const ProblemNode& node) {
    return configuration.parallelism == assignment.parallelism && configuration.knobs == assignment.knobs &&
           configuration.device_kind == node.kind && configuration.devices == devices_of(assignment) &&
           configuration.nodes == static_cast<int>(assignment.further.size()) + 1;
  }

  void check_pin(const Assignment& assignment, const ProblemTask& task) {
    const Pin& pin = *task.pin;
    if (pin.configuration) {
      const Configuration& wanted = task.configurations.at(static_cast<size_t>(*pin.configuration));
      if (wanted.parallelism != assignment.parallelism || wanted.knobs != assignment.knobs ||
          wanted.devices != devices_of(assignment) ||
          wanted.nodes != static_cast<int>(assignment.further.size()) + 1)
        error(assignment.mark, fmt::format("task '{}' is pinned to {}", task.name, shape_text(wanted)));
    }
    if (pin.node && problem_.nodes.at(static_cast<size_t>(*pin.node)).name != assignment.node)
      error(assignment.mark, fmt::format("task '{}' is pinned to node '{}'", task.name,
                                         problem_.nodes[static_cast<size_t>(*pin.node)].name));
    std::vector<int> devices = pin.devices;
    std::sort(devices.begin(), devices.end());
    if (!devices.empty() && devices != assignment.devices)
      error(assignment.mark, fmt::format("task '{}' is pinned to {}", task.name, device_list(devices)));
    if (pin.node) check_pinned_parts(assignment, pin.further);
    if (pin.start_seconds && std::abs(*pin.start_seconds - assignment.start_seconds) > kRounding)
      error(assignment.mark,
            fmt::format("task '{}' is pinned to start at {}", task.name, time_text(*pin.start_seconds)));
    for (const int before : pin.after) {
      const auto line = lines_.find(problem_.tasks.at(static_cast<size_t>(before)).name);
      if (line == lines_.end() || line->second->end_seconds() <= assignment.start_seconds + kRounding)
        continue;
      error(assignment.mark,
            fmt::format("task '{}' starts at {}, but is pinned to run after task '{}', which ends at {}",
                        task.name, time_text(assignment.start_seconds), line->first,
                        time_text(line->second->end_seconds())));
    }
  }

  /// The nodes of a pinned gang are those that the pin names, no more and no fewer.
  void check_pinned_parts(const Assignment& assignment, const std::vector<GangPart>& wanted) {
    if (wanted.size() != assignment.further.size())
      return error(assignment.mark,
                   fmt::format("task '{}' is pinned to {} node(s)", assignment.task, wanted.size() + 1));
    for (size_t p = 0; p < wanted.size(); ++p) {
      const NodeDevices& part = assignment.further[p];
      const std::string& name = problem_.nodes.at(static_cast<size_t>(wanted[p].node)).name;
      std::vector<int> devices = wanted[p].devices;
      std::sort(devices.begin(), devices.end());
      if (name != part.node)
        error(assignment.mark, fmt::format("task '{}' is pinned to node '{}'", assignment.task, name));
      else if (!devices.empty() && devices != part.devices)
        error(assignment.mark, fmt::format("task '{}' is pinned to {} of node '{}'", assignment.task,
                                           device_list(devices), name));
    }
  }

  void check_missing() {
    for (const ProblemTask& task : problem_.tasks)
      if (!seen_.contains(task.name)) error({}, fmt::format("task '{}' is not in the plan", task.name));
  }

  void check_overlaps() {
    std::map<std::string, std::vector<std::pair<const Assignment*, std::vector<int>>>> by_node;
    for (const Assignment& assignment : plan_.assignments)
      for (NodeDevices& part : parts_of(assignment))
        by_node[part.node].emplace_back(&assignment, std::move(part.devices));
    for (auto& [node, parts] : by_node) {
      std::stable_sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) {
        return a.first->start_seconds < b.first->start_seconds;
      });
      for (size_t i = 0; i < parts.size(); ++i)
        for (size_t j = i + 1; j < parts.size(); ++j) {
          if (parts[j].first->start_seconds >= parts[i].first->end_seconds() - kTolerance) break;
          // Parts of one gang on one node are wrong by themselves.
          if (parts[i].first != parts[j].first) check_pair(node, parts[i], parts[j]);
        }
    }
  }

  using Part = std::pair<const Assignment*, std::vector<int>>;

  void check_pair(const std::string& node, const Part& a, const Part& b) {
    const Assignment& first = *a.first;
    const Assignment& second = *b.first;
    std::vector<int> both;
    for (const int device : a.second)
      if (std::find(b.second.begin(), b.second.end(), device) != b.second.end()) both.push_back(device);
    const double end = std::min(first.end_seconds(), second.end_seconds());
    if (both.empty() || end - second.start_seconds < kTolerance) return;
    error(second.mark,
          fmt::format("task '{}' and task '{}' both use {} of node '{}' from {} to {}", first.task,
                      second.task, device_list(both), node, time_text(second.start_seconds), time_text(end)));
  }

  void check_summary() {
    double last = 0;
    for (const Assignment& assignment : plan_.assignments) last = std::max(last, assignment.end_seconds());
    if (!(std::abs(plan_.makespan_seconds - last) <= kRounding))
      error({}, fmt::format("makespan_seconds is {}, but the last task ends at {}",
                            time_text(plan_.makespan_seconds), time_text(last)));
    if (plan_.lower_bound_seconds > plan_.makespan_seconds + kTolerance)
      error({}, fmt::format("lower_bound_seconds is {}, over the makespan of {}",
                            time_text(plan_.lower_bound_seconds), time_text(plan_.makespan_seconds)));
    check_objective();
  }

  /// By the lines: a mean end, or the device time of a plan that meets the deadline.
  void check_objective() {
    double value = 0;
    for (const Assignment& line : plan_.assignments)
      value += plan_.objective.kind == Objective::Kind::kMeanCompletion
                   ? line.end_seconds() / static_cast<double>(plan_.assignments.size())
                   : line.duration_seconds * static_cast<double>(devices_of(line));
    if (plan_.objective.kind == Objective::Kind::kMakespan || plan_.objective_bound <= value + kTolerance)
      return;
    error({}, fmt::format("objective_bound is {}, over the objective's value of {}",
                          time_text(plan_.objective_bound), time_text(value)));
  }

  const Problem& problem_;
  const Plan& plan_;
  std::map<std::string, const ProblemTask*> tasks_;
  std::map<std::string, const ProblemNode*> nodes_;
  std::map<std::string, const Assignment*> lines_;
  std::map<std::string, Mark> seen_;
  std::vector<Diagnostic> found_;
};

}  // namespace

std::vector<Diagnostic> check_plan(const Problem& problem, const Plan& plan) {
  return Checker(problem, plan).run();
}

}  // namespace saturn
