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
  if (assignment.start_known) pinned.pin->start_seconds = assignment.start_seconds;
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
    } else if (line.start_known) {
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
  }
  check_together(problem, possible, errors);
  if (errors.empty()) return;
  std::stable_sort(errors.begin(), errors.end(),
                   [](const Diagnostic& a, const Diagnostic& b) { return a.line < b.line; });
  throw InputError(std::move(errors));
}

}  // namespace saturn
