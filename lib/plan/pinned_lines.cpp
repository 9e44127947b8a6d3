// SPDX-License-Identifier: Apache-2.0
#include "plan/pinned_lines.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <set>
#include <string>

#include "base/error.h"

namespace saturn {
namespace {

/// Plans count in milliseconds.
constexpr double kSameTime = 1.001e-3;

template <class T>
std::optional<int> index_of(const std::vector<T>& items, const std::string& name) {
  const auto found =
      std::find_if(items.begin(), items.end(), [&](const T& item) { return item.name == name; });
  if (found == items.end()) return std::nullopt;
  return static_cast<int>(found - items.begin());
}

/// "ddp on 1, ddp (bucket_mb=25) on 2": what a pinned line could say.
std::string measured_ways(const ProblemTask& task, const std::string& kind) {
  std::string ways;
  for (const Configuration& c : task.configurations) {
    if (c.device_kind != kind) continue;
    const std::string knobs = to_text(c.knobs);
    ways += fmt::format("{}{}{} on {}", ways.empty() ? "" : ", ", c.parallelism,
                        knobs.empty() ? "" : " (" + knobs + ")", c.devices);
  }
  return ways.empty() ? "nothing on this node's devices" : ways;
}

std::string not_measured(const ProblemTask& task, const Assignment& assignment, const std::string& kind) {
  const std::string knobs = to_text(assignment.knobs);
  return fmt::format("task '{}' is pinned to {}{} on {} device(s), which was not measured; it was as {}",
                     assignment.task, assignment.parallelism, knobs.empty() ? "" : " (" + knobs + ")",
                     assignment.devices.size(), measured_ways(task, kind));
}

std::string on_line(const Assignment& line) {
  return line.mark.line > 0 ? fmt::format(" on line {}", line.mark.line) : "";
}

bool keeps_start(const Assignment& line) {
  return line.start_known && !line.order_only;
}

/// Pins one task; returns what stands against it, or nothing.
std::string pin(Problem& problem, const Assignment& assignment) {
  const std::optional<int> task = index_of(problem.tasks, assignment.task);
  const std::optional<int> node = index_of(problem.nodes, assignment.node);
  if (!task) return fmt::format("there is no task '{}' to pin", assignment.task);
  if (!node)
    return fmt::format("task '{}' is pinned to node '{}', which there is not", assignment.task,
                       assignment.node);
  ProblemTask& pinned = problem.tasks[static_cast<size_t>(*task)];
  const std::optional<int> configuration =
      configuration_of(pinned, assignment, problem.nodes[static_cast<size_t>(*node)].kind);
  if (!configuration) return not_measured(pinned, assignment, problem.nodes[static_cast<size_t>(*node)].kind);
  pinned.pin = Pin{configuration, node, assignment.devices, std::nullopt};
  if (keeps_start(assignment)) pinned.pin->start_seconds = assignment.start_seconds;
  return "";
}

/// The problem of these tasks alone, without pins.
Problem only(const Problem& problem, const std::set<std::string>& names) {
  Problem result{problem.nodes, {}};
  for (const ProblemTask& task : problem.tasks)
    if (names.contains(task.name)) result.tasks.push_back({task.name, task.configurations, std::nullopt});
  return result;
}

/// What is wrong with these lines as a plan of their tasks, durations being those of the problem.
std::vector<Diagnostic> check_lines(const Problem& problem, Plan lines) {
  std::set<std::string> names;
  for (Assignment& line : lines.assignments) {
    names.insert(line.task);
    line.pinned = true;  // starts stay
  }
  const Problem part = only(problem, names);
  complete(part, lines);
  return check_plan(part, lines);
}

/// Appends what is wrong with these lines together. Those whose starts are known clash or not; the others
/// only have to be possible each by itself.
void check_together(const Problem& problem, const Plan& pinned, std::vector<Diagnostic>& errors) {
  Plan timed;
  timed.file = pinned.file;
  std::set<std::string> seen;
  const auto check = [&](const Plan& lines) {
    for (Diagnostic& wrong : check_lines(problem, lines)) errors.push_back(std::move(wrong));
  };
  for (const Assignment& line : pinned.assignments) {
    if (!seen.insert(line.task).second) {
      errors.push_back({pinned.file, line.mark.line, line.mark.column,
                        fmt::format("task '{}' is pinned twice", line.task), ""});
    } else if (keeps_start(line)) {
      timed.assignments.push_back(line);
    } else {
      Plan single;
      single.file = pinned.file;
      single.assignments = {line};
      check(single);
    }
  }
  check(timed);
}

/// Pins the order, and appends the lines whose pinned start comes too early for the pinned lines above.
void pin_order(Problem& problem, const Plan& pinned, std::vector<Diagnostic>& errors) {
  const std::vector<std::vector<size_t>> order = pinned_order(pinned);
  std::vector<double> ends;  // earliest, per line
  for (size_t i = 0; i < pinned.assignments.size(); ++i) {
    const Assignment& line = pinned.assignments[i];
    ProblemTask& task = problem.tasks[static_cast<size_t>(*index_of(problem.tasks, line.task))];
    double start = 0;
    for (const int device : line.devices)
      start = std::max(
          start,
          problem.nodes[static_cast<size_t>(*task.pin->node)].free_at_seconds[static_cast<size_t>(device)]);
    for (const size_t above : order[i]) {
      const Assignment& before = pinned.assignments[above];
      task.pin->after.push_back(*index_of(problem.tasks, before.task));
      start = std::max(start, ends[above]);
      if (!task.pin->start_seconds || ends[above] <= *task.pin->start_seconds + kSameTime) continue;
      errors.push_back(
          {pinned.file, line.mark.line, line.mark.column,
           fmt::format("task '{}' is pinned to start at {:.10g} s, but task '{}', pinned to run before it{}, "
                       "ends at {:.10g} s at the earliest",
                       line.task, *task.pin->start_seconds, before.task, on_line(before), ends[above]),
           ""});
    }
    if (task.pin->start_seconds) start = *task.pin->start_seconds;
    ends.push_back(start +
                   task.configurations[static_cast<size_t>(*task.pin->configuration)].duration_seconds);
  }
}

}  // namespace

void apply_pins(Problem& problem, const Plan& plan) {
  std::vector<Diagnostic> errors;
  Plan possible;
  possible.file = plan.file;
  for (const Assignment& line : plan.assignments) {
    if (!line.pinned) continue;
    const std::string wrong = pin(problem, line);
    if (wrong.empty())
      possible.assignments.push_back(line);
    else
      errors.push_back({plan.file, line.mark.line, line.mark.column, wrong, ""});
    if (wrong.empty()) possible.assignments.back().order_only = !keeps_start(line);
  }
  check_together(problem, possible, errors);
  if (errors.empty()) pin_order(problem, possible, errors);
  if (errors.empty()) return;
  std::stable_sort(errors.begin(), errors.end(),
                   [](const Diagnostic& a, const Diagnostic& b) { return a.line < b.line; });
  throw InputError(std::move(errors));
}

}  // namespace saturn
