// SPDX-License-Identifier: Apache-2.0
#include "plan/explain/compare.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

namespace saturn {
namespace {

using Json = nlohmann::ordered_json;

/// Plans count in milliseconds.
constexpr double kSameTotal = 0.5e-3;

bool same_time(double a, double b) {
  return std::abs(a - b) <= kSameTotal;
}

std::vector<std::string> nodes_of(const Assignment& line) {
  std::vector<std::string> nodes;
  for_each_part(line, [&](const std::string& node, const std::vector<int>&) { nodes.push_back(node); });
  return nodes;
}

TaskDifference difference(const Assignment& before, const Assignment& after) {
  TaskDifference result{after.task, before, after};
  result.configuration = before.parallelism != after.parallelism || before.knobs != after.knobs ||
                         device_count(before) != device_count(after) ||
                         node_count(before) != node_count(after);
  result.node = nodes_of(before) != nodes_of(after);
  result.devices = before.devices != after.devices || before.further != after.further;
  result.start = !same_time(before.start_seconds, after.start_seconds);
  result.duration = !same_time(before.duration_seconds, after.duration_seconds);
  return result;
}

std::map<std::string, const Assignment*> by_task(const Plan& plan) {
  std::map<std::string, const Assignment*> tasks;
  for (const Assignment& line : plan.assignments) tasks.emplace(line.task, &line);
  return tasks;
}

Json to_json(const PlanTotals& totals) {
  return {{"file", totals.file},
          {"makespan_seconds", totals.makespan_seconds},
          {"lower_bound_seconds", totals.lower_bound_seconds},
          {"gap", totals.gap},
          {"device_seconds", totals.device_seconds},
          {"tasks", totals.tasks}};
}

Json to_json(const TaskDifference& difference) {
  Json differs = Json::array();
  if (difference.configuration) differs.push_back("configuration");
  if (difference.node) differs.push_back("node");
  if (difference.devices) differs.push_back("devices");
  if (difference.start) differs.push_back("start");
  if (difference.duration) differs.push_back("duration");
  const auto side = [](const std::optional<Assignment>& line) {
    return line ? to_json(*line) : Json(nullptr);
  };
  return {{"task", difference.task},
          {"differs", std::move(differs)},
          {"before", side(difference.before)},
          {"after", side(difference.after)}};
}

}  // namespace

PlanTotals totals_of(const Plan& plan) {
  PlanTotals totals;
  totals.file = plan.file;
  totals.lower_bound_seconds = plan.lower_bound_seconds;
  totals.tasks = plan.assignments.size();
  for (const Assignment& line : plan.assignments) {
    totals.makespan_seconds = std::max(totals.makespan_seconds, line.end_seconds());
    totals.device_seconds += static_cast<double>(device_count(line)) * line.duration_seconds;
  }
  if (totals.makespan_seconds > 0)
    totals.gap = std::max(0.0, 1 - totals.lower_bound_seconds / totals.makespan_seconds);
  return totals;
}

PlanComparison compare(const Plan& before, const Plan& after) {
  PlanComparison result{totals_of(before), totals_of(after), {}, 0};
  const auto old_lines = by_task(before), new_lines = by_task(after);
  for (const Assignment& line : after.assignments) {
    const auto old = old_lines.find(line.task);
    TaskDifference found = old == old_lines.end() ? TaskDifference{line.task, std::nullopt, line}
                                                  : difference(*old->second, line);
    if (found.differs())
      result.differences.push_back(std::move(found));
    else
      ++result.unchanged;
  }
  for (const Assignment& line : before.assignments)
    if (!new_lines.contains(line.task)) result.differences.push_back({line.task, line, std::nullopt});
  return result;
}

nlohmann::ordered_json to_json(const PlanComparison& comparison) {
  Json tasks = Json::array();
  for (const TaskDifference& found : comparison.differences) tasks.push_back(to_json(found));
  return {{"schema", "saturn.comparison/1"},
          {"before", to_json(comparison.before)},
          {"after", to_json(comparison.after)},
          {"tasks", std::move(tasks)},
          {"unchanged", comparison.unchanged}};
}

}  // namespace saturn
