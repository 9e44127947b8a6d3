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
    ways += fmt::format("{}{}{} on {}{}", ways.empty() ? "" : ", ", c.parallelism,
                        knobs.empty() ? "" : " (" + knobs + ")", c.devices, across_text(c.nodes));
  }
  return ways.empty() ? "nothing on this node's devices" : ways;
}

std::string not_measured(const ProblemTask& task, const Assignment& assignment, const std::string& kind) {
  const std::string knobs = to_text(assignment.knobs);
  return fmt::format("task '{}' is pinned to {}{} on {} device(s){}, which was not measured; it was as {}",
                     assignment.task, assignment.parallelism, knobs.empty() ? "" : " (" + knobs + ")",
                     device_count(assignment), across_text(node_count(assignment)),
                     measured_ways(task, kind));
}

std::string on_line(const Assignment& line) {
  return line.mark.line > 0 ? fmt::format(" on line {}", line.mark.line) : "";
}

/// A start that is left out cannot be kept: the line's place can.
PinnedParts kept_parts_of(const Assignment& line) {
  return line.pinned.start && !line.start_known ? PinnedParts::but_for_start() : line.pinned;
}

/// What stands against running the task on the line's devices, in whatever configuration; empty: nothing.
std::string against_devices(const Problem& problem, const ProblemTask& task, const Assignment& line,
                            const std::string& kind) {
  std::string wrong;
  for_each_part(line, [&](const std::string& name, const std::vector<int>& devices) {
    const ProblemNode& node = problem.nodes[static_cast<size_t>(*index_of(problem.nodes, name))];
    for (const int device : devices)
      if (wrong.empty() && device >= static_cast<int>(node.free_at_seconds.size()))
        wrong = fmt::format("task '{}' is pinned to device {} of node '{}', which has {}", line.task, device,
                            node.name, node.free_at_seconds.size());
  });
  if (!wrong.empty()) return wrong;
  const bool measured =
      std::any_of(task.configurations.begin(), task.configurations.end(), [&](const Configuration& c) {
        return c.device_kind == kind && c.devices == static_cast<int>(device_count(line)) &&
               c.nodes == node_count(line);
      });
  if (measured) return "";
  return fmt::format("task '{}' is pinned to {} device(s){}, on which it was not measured; it was as {}",
                     line.task, device_count(line), across_text(node_count(line)), measured_ways(task, kind));
}

/// The same for its nodes alone.
std::string against_nodes(const ProblemTask& task, const Assignment& line, const std::string& kind) {
  const bool measured =
      line.further.empty() ||
      std::any_of(task.configurations.begin(), task.configurations.end(), [&](const Configuration& c) {
        return c.device_kind == kind && c.nodes == node_count(line);
      });
  if (measured) return "";
  return fmt::format("task '{}' is pinned to {} nodes, on which it was not measured; it was as {}", line.task,
                     node_count(line), measured_ways(task, kind));
}

/// Pins one task; returns what stands against it, or nothing.
std::string pin(Problem& problem, const Assignment& line) {
  const std::optional<int> task = index_of(problem.tasks, line.task);
  if (!task) return fmt::format("there is no task '{}' to pin", line.task);
  std::vector<GangPart> parts;
  std::string unknown;
  for_each_part(line, [&](const std::string& name, const std::vector<int>& devices) {
    const std::optional<int> node = index_of(problem.nodes, name);
    if (!node && unknown.empty()) unknown = name;
    parts.push_back({node.value_or(0), devices});
  });
  if (!unknown.empty())
    return fmt::format("task '{}' is pinned to node '{}', which there is not", line.task, unknown);
  ProblemTask& pinned = problem.tasks[static_cast<size_t>(*task)];
  const ProblemNode& there = problem.nodes[static_cast<size_t>(parts.front().node)];
  Pin pin;
  if (line.pinned.configuration) {
    pin.configuration = configuration_of(pinned, line, there.kind);
    if (!pin.configuration) return not_measured(pinned, line, there.kind);
  } else if (line.pinned.devices) {
    if (std::string wrong = against_devices(problem, pinned, line, there.kind); !wrong.empty()) return wrong;
  } else if (line.pinned.node) {
    if (std::string wrong = against_nodes(pinned, line, there.kind); !wrong.empty()) return wrong;
  }
  if (line.pinned.node) {
    pin.node = parts.front().node;
    pin.further.assign(parts.begin() + 1, parts.end());
    if (!line.pinned.devices)
      for (GangPart& part : pin.further) part.devices.clear();
  }
  if (line.pinned.devices) pin.devices = line.devices;
  if (line.pinned.start) pin.start_seconds = line.start_seconds;
  pinned.pin = std::move(pin);
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
    line.pinned = PinnedParts::whole();  // starts stay
  }
  const Problem part = only(problem, names);
  complete(part, lines);
  return check_plan(part, lines);
}

/// Appends what is wrong with these lines together. Those whose starts are kept clash or not; those in order
/// only have to be possible each by itself, as `pin` has seen for the others.
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
    } else if (line.pinned.start) {
      timed.assignments.push_back(line);
    } else if (line.pinned.order) {
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
    if (!line.pinned.start && !line.pinned.order) {
      ends.push_back(0);
      continue;
    }
    ProblemTask& task = problem.tasks[static_cast<size_t>(*index_of(problem.tasks, line.task))];
    double start = 0;
    for_each_part(line, [&](const std::string& name, const std::vector<int>& devices) {
      const ProblemNode& node = problem.nodes[static_cast<size_t>(*index_of(problem.nodes, name))];
      for (const int device : devices)
        start = std::max(start, node.free_at_seconds[static_cast<size_t>(device)]);
    });
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

PinnedParts pinned_parts(const Pin& pin) {
  if (pin.start_seconds) return PinnedParts::whole();
  if (pin.configuration && !pin.devices.empty()) return PinnedParts::but_for_start();
  const bool devices = !pin.devices.empty();
  return {pin.configuration.has_value(), devices || pin.node, devices, false, false};
}

void apply_pins(Problem& problem, const Plan& plan) {
  std::vector<Diagnostic> errors;
  Plan possible;
  possible.file = plan.file;
  for (Assignment line : plan.assignments) {
    if (!line.pinned.any()) continue;
    line.pinned = kept_parts_of(line);
    const std::string wrong = pin(problem, line);
    if (wrong.empty())
      possible.assignments.push_back(line);
    else
      errors.push_back({plan.file, line.mark.line, line.mark.column, wrong, ""});
  }
  check_together(problem, possible, errors);
  if (errors.empty()) pin_order(problem, possible, errors);
  if (errors.empty()) return;
  std::stable_sort(errors.begin(), errors.end(),
                   [](const Diagnostic& a, const Diagnostic& b) { return a.line < b.line; });
  throw InputError(std::move(errors));
}

}  // namespace saturn
