// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>

#include "plan/plan.h"

namespace saturn {
namespace {

constexpr double kMillisecond = 1e-3;

double to_the_millisecond(double seconds) {
  return std::round(seconds * 1e3) / 1e3;
}

/// Whether the line is the gang that the task has already, where and as it runs.
bool is_running(const Problem& problem, const ProblemTask& task, const Assignment& line) {
  if (!task.running) return false;
  const Running& running = *task.running;
  if (running.staying.parallelism != line.parallelism || running.further.size() != line.further.size())
    return false;
  const auto same_part = [&](int node, const std::vector<int>& devices, const std::string& name,
                             const std::vector<int>& others) {
    return problem.nodes.at(static_cast<size_t>(node)).name == name &&
           std::is_permutation(devices.begin(), devices.end(), others.begin(), others.end());
  };
  if (!same_part(running.node, running.devices, line.node, line.devices)) return false;
  for (size_t p = 0; p < line.further.size(); ++p)
    if (!same_part(running.further[p].node, running.further[p].devices, line.further[p].node,
                   line.further[p].devices))
      return false;
  return !line.knobs_known || running.staying.knobs == line.knobs;
}

/// The configuration that the line means when its devices are free from then on, or null.
const Configuration* configuration_of(const Problem& problem, const Assignment& assignment, double earliest) {
  std::string kind;
  for (const ProblemNode& node : problem.nodes)
    if (node.name == assignment.node) kind = node.kind;
  for (const ProblemTask& task : problem.tasks) {
    if (task.name != assignment.task) continue;
    if (earliest == 0 && is_running(problem, task, assignment)) return &task.running->staying;
    const std::optional<int> index = saturn::configuration_of(task, assignment, kind);
    return index ? &task.configurations[static_cast<size_t>(*index)] : nullptr;
  }
  return nullptr;
}

std::string seconds_text(double seconds) {
  return fmt::format("{:.10g} s", to_the_millisecond(seconds));
}

/// "plan.json:9: task 'b': ": where a line of the plan stands.
std::string place_text(const Plan& plan, const Assignment& line) {
  std::string text = plan.file;
  if (line.mark.line > 0) text += fmt::format("{}{}", text.empty() ? "line " : ":", line.mark.line);
  return fmt::format("{}{}task '{}': ", text, text.empty() ? "" : ": ", line.task);
}

/// Knobs and duration from the configuration that the line means.
void fill_in(const Problem& problem, const Plan& plan, Assignment& line, double earliest,
             Completion& completion) {
  const Configuration* configuration = configuration_of(problem, line, earliest);
  completion.filled_in |= !line.knobs_known || !line.duration_known;
  if (configuration != nullptr) {
    const double measured = std::max(kMillisecond, to_the_millisecond(configuration->duration_seconds));
    line.knobs = configuration->knobs;
    if (line.duration_known && std::abs(line.duration_seconds - measured) > kSameTime)
      completion.retimed.push_back(fmt::format("{}duration_seconds {} -> {}, as measured",
                                               place_text(plan, line), seconds_text(line.duration_seconds),
                                               seconds_text(measured)));
    if (!line.duration_known || std::abs(line.duration_seconds - measured) > kSameTime)
      line.duration_seconds = measured;
  }
  line.knobs_known = line.duration_known = true;
}

/// The start that the order of the lines leads to; a pinned one is kept.
void retime(const Plan& plan, Assignment& line, double earliest, Completion& completion) {
  const bool fixed = line.pinned.start && line.start_known;
  completion.filled_in |= !line.start_known;
  if (!fixed && line.start_known && std::abs(line.start_seconds - earliest) > kSameTime)
    completion.retimed.push_back(fmt::format(
        "{}start_seconds {} -> {}, {}", place_text(plan, line), seconds_text(line.start_seconds),
        seconds_text(earliest),
        earliest > line.start_seconds ? "after the lines above it" : "when its devices are free"));
  if (!line.start_known || (!fixed && std::abs(line.start_seconds - earliest) > kSameTime))
    line.start_seconds = earliest;
  line.start_known = true;
}

/// When each device is free, after the lines so far.
class Devices {
 public:
  explicit Devices(const Problem& problem) {
    for (const ProblemNode& node : problem.nodes)
      for (size_t device = 0; device < node.free_at_seconds.size(); ++device)
        free_[{node.name, static_cast<int>(device)}] = node.free_at_seconds[device];
  }
  double earliest(const Assignment& assignment) {
    double start = 0;
    for_each_part(assignment, [&](const std::string& node, const std::vector<int>& devices) {
      for (const int device : devices) start = std::max(start, free_[{node, device}]);
    });
    // Up to the next millisecond, but 0.1 + 0.2 must not cost one.
    return to_the_millisecond(std::max(0.0, std::ceil(start * 1e3 - 1e-3)) / 1e3);
  }
  void use(const Assignment& assignment) {
    for_each_part(assignment, [&](const std::string& node, const std::vector<int>& devices) {
      for (const int device : devices) {
        double& free = free_[{node, device}];
        free = std::max(free, assignment.end_seconds());
      }
    });
  }

 private:
  std::map<std::pair<std::string, int>, double> free_;
};

/// Fewer or other pins than the bounds were found for make them guesses.
void check_bounds(Plan& plan, Completion& completion) {
  const bool other_pins = !plan.bound_pins.empty() && plan.bound_pins != pins_hash(plan);
  const auto check = [&](const char* key, double& bound, double value, const char* value_name) {
    if (bound == 0 || (!other_pins && bound <= value + kSameTime)) return;
    completion.retimed.push_back(
        fmt::format("{}{}{} {}: it is left out", plan.file, plan.file.empty() ? "" : ": ", key,
                    other_pins ? "was found for other pins" : fmt::format("is over the {}", value_name)));
    bound = 0;
  };
  check("lower_bound_seconds", plan.lower_bound_seconds, plan.makespan_seconds, "makespan");
  check("objective_bound", plan.objective_bound, objective_value(plan), "objective's value");
  if (objective_bound(plan) == 0) plan.bound_method.clear();
  if (plan.lower_bound_seconds == 0 && plan.objective_bound == 0) plan.bound_pins.clear();
}

}  // namespace

std::optional<int> configuration_of(const ProblemTask& task, const Assignment& assignment,
                                    const std::string& kind) {
  for (size_t c = 0; c < task.configurations.size(); ++c) {
    const Configuration& configuration = task.configurations[c];
    const bool same_knobs = !assignment.knobs_known || configuration.knobs == assignment.knobs;
    if (configuration.parallelism == assignment.parallelism && same_knobs &&
        configuration.device_kind == kind &&
        configuration.devices == static_cast<int>(device_count(assignment)) &&
        configuration.nodes == node_count(assignment))
      return static_cast<int>(c);
  }
  return std::nullopt;
}

bool stays(const Problem& problem, const Assignment& line) {
  const auto task = std::find_if(problem.tasks.begin(), problem.tasks.end(),
                                 [&](const ProblemTask& candidate) { return candidate.name == line.task; });
  return task != problem.tasks.end() && is_running(problem, *task, line) && line.start_seconds == 0 &&
         std::abs(line.duration_seconds - task->running->staying.duration_seconds) <= kSameTime;
}

Completion complete(const Problem& problem, Plan& plan) {
  Completion completion;
  Devices devices(problem);
  double last = 0;
  for (Assignment& line : plan.assignments) {
    const double earliest = devices.earliest(line);
    fill_in(problem, plan, line, earliest, completion);
    retime(plan, line, earliest, completion);
    devices.use(line);
    last = std::max(last, line.end_seconds());
  }
  plan.makespan_seconds = to_the_millisecond(last);
  check_bounds(plan, completion);
  plan.gap = gap_of(plan);
  return completion;
}

}  // namespace saturn
