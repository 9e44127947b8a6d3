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
  return fmt::format("{}{} on {} x {}", configuration.parallelism, knobs.empty() ? "" : " (" + knobs + ")",
                     configuration.devices, configuration.device_kind);
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
    if (node == nodes_.end())
      error(assignment.mark, fmt::format("task '{}': there is no node '{}'{}", assignment.task,
                                         assignment.node, did_you_mean(assignment.node, names(nodes_))));
    else
      check_devices(assignment, *node->second);
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

  void check_devices(const Assignment& assignment, const ProblemNode& node) {
    if (assignment.devices.empty())
      error(assignment.mark, fmt::format("task '{}' has no devices", assignment.task));
    std::set<int> seen;
    for (const int device : assignment.devices) {
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
      known.push_back(fmt::format("{} for {} from 0 s on, staying on {} of node '{}'",
                                  shape_text(running.staying), time_text(running.staying.duration_seconds),
                                  device_list(running.devices),
                                  problem_.nodes.at(static_cast<size_t>(running.node)).name));
    }
    const Configuration wanted{assignment.parallelism, assignment.knobs, node.kind,
                               static_cast<int>(assignment.devices.size()), 0};
    error(assignment.mark, fmt::format("task '{}' was not measured as {}; it was as {}", task.name,
                                       shape_text(wanted), fmt::join(known, ", ")));
  }

  /// The gang that runs already goes on as it is.
  bool is_staying(const Assignment& line, const Running& running) const {
    std::vector<int> devices = running.devices;
    std::sort(devices.begin(), devices.end());
    const ProblemNode& node = problem_.nodes.at(static_cast<size_t>(running.node));
    return node.name == line.node && devices == line.devices && same(running.staying, line, node) &&
           std::abs(line.start_seconds) <= kTolerance &&
           std::abs(line.duration_seconds - running.staying.duration_seconds) <= kRounding;
  }

  static bool same(const Configuration& configuration, const Assignment& assignment,
                   const ProblemNode& node) {
    return configuration.parallelism == assignment.parallelism && configuration.knobs == assignment.knobs &&
           configuration.device_kind == node.kind &&
           configuration.devices == static_cast<int>(assignment.devices.size());
  }

  void check_pin(const Assignment& assignment, const ProblemTask& task) {
    const Pin& pin = *task.pin;
    if (pin.configuration) {
      const Configuration& wanted = task.configurations.at(static_cast<size_t>(*pin.configuration));
      if (wanted.parallelism != assignment.parallelism || wanted.knobs != assignment.knobs ||
          wanted.devices != static_cast<int>(assignment.devices.size()))
        error(assignment.mark, fmt::format("task '{}' is pinned to {}", task.name, shape_text(wanted)));
    }
    if (pin.node && problem_.nodes.at(static_cast<size_t>(*pin.node)).name != assignment.node)
      error(assignment.mark, fmt::format("task '{}' is pinned to node '{}'", task.name,
                                         problem_.nodes[static_cast<size_t>(*pin.node)].name));
    std::vector<int> devices = pin.devices;
    std::sort(devices.begin(), devices.end());
    if (!devices.empty() && devices != assignment.devices)
      error(assignment.mark, fmt::format("task '{}' is pinned to {}", task.name, device_list(devices)));
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

  void check_missing() {
    for (const ProblemTask& task : problem_.tasks)
      if (!seen_.contains(task.name)) error({}, fmt::format("task '{}' is not in the plan", task.name));
  }

  void check_overlaps() {
    std::map<std::string, std::vector<const Assignment*>> by_node;
    for (const Assignment& assignment : plan_.assignments) by_node[assignment.node].push_back(&assignment);
    for (auto& [node, assignments] : by_node) {
      std::stable_sort(assignments.begin(), assignments.end(), [](const Assignment* a, const Assignment* b) {
        return a->start_seconds < b->start_seconds;
      });
      for (size_t i = 0; i < assignments.size(); ++i)
        for (size_t j = i + 1; j < assignments.size(); ++j) {
          if (assignments[j]->start_seconds >= assignments[i]->end_seconds() - kTolerance) break;
          check_pair(*assignments[i], *assignments[j]);
        }
    }
  }

  void check_pair(const Assignment& first, const Assignment& second) {
    std::vector<int> both;
    for (const int device : first.devices)
      if (std::find(second.devices.begin(), second.devices.end(), device) != second.devices.end())
        both.push_back(device);
    const double end = std::min(first.end_seconds(), second.end_seconds());
    if (both.empty() || end - second.start_seconds < kTolerance) return;
    error(second.mark, fmt::format("task '{}' and task '{}' both use {} of node '{}' from {} to {}",
                                   first.task, second.task, device_list(both), first.node,
                                   time_text(second.start_seconds), time_text(end)));
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
                   : line.duration_seconds * static_cast<double>(line.devices.size());
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
