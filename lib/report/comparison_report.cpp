// SPDX-License-Identifier: Apache-2.0
#include "report/comparison_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "report/duration.h"
#include "report/table.h"

namespace saturn {
namespace {

/// "ddp bucket_mb=25 on local:0,1, 0 s to 30 s"; "-" for no line.
std::string line_text(const std::optional<Assignment>& line) {
  if (!line) return "-";
  const std::string knobs = to_text(line->knobs);
  return fmt::format("{}{} on {}, {} to {}", line->parallelism, knobs.empty() ? "" : " " + knobs,
                     where_text(*line), duration_text(line->start_seconds),
                     duration_text(line->end_seconds()));
}

std::string what_differs(const TaskDifference& difference) {
  if (!difference.before) return "new";
  if (!difference.after) return "gone";
  std::vector<std::string> words;
  if (difference.configuration) words.emplace_back("configuration");
  if (difference.node) words.emplace_back("node");
  if (difference.devices) words.emplace_back("devices");
  if (difference.start) words.emplace_back("start");
  if (difference.duration) words.emplace_back("duration");
  return fmt::format("{}", fmt::join(words, ", "));
}

std::string name_of(const PlanTotals& totals, const char* fallback) {
  return totals.file.empty() ? fallback : totals.file;
}

std::string totals_table(const PlanTotals& before, const PlanTotals& after, const Style& style) {
  Table table({{""}, {name_of(before, "before")}, {name_of(after, "after")}});
  const auto add = [&](const char* what, double a, double b) {
    table.add({what, duration_text(a), duration_text(b) + change_text(a, b)});
  };
  add("makespan", before.makespan_seconds, after.makespan_seconds);
  add("lower bound", before.lower_bound_seconds, after.lower_bound_seconds);
  table.add({"gap", fmt::format("{:.2f} %", before.gap * 100), fmt::format("{:.2f} %", after.gap * 100)});
  table.add({"device-seconds", fmt::format("{:.1f}", before.device_seconds),
             fmt::format("{:.1f}{}", after.device_seconds,
                         change_text(before.device_seconds, after.device_seconds))});
  table.add({"tasks", fmt::to_string(before.tasks), fmt::to_string(after.tasks)});
  return table.to_text(style);
}

void add_plan(Table& table, const std::string& name, const Plan& plan, double reference, int devices,
              const std::string& rule) {
  const double room = devices * plan.makespan_seconds;
  table.add({name, duration_text(plan.makespan_seconds),
             reference > 0 ? fmt::format("{:.2f}", plan.makespan_seconds / reference) : "",
             room > 0 ? fmt::format("{:.0f} %", totals_of(plan).device_seconds / room * 100) : "", rule});
}

}  // namespace

std::string comparison_report(const PlanComparison& comparison, const Style& style) {
  Table table({{"task"}, {"differs"}, {"before"}, {"after"}});
  for (const TaskDifference& found : comparison.differences) {
    std::vector<std::string> cells{found.task, what_differs(found), line_text(found.before),
                                   line_text(found.after)};
    if (found.before && found.after)
      table.add(std::move(cells));
    else
      table.add(std::move(cells), found.after ? Ink::kGreen : Ink::kDim);
  }
  std::string text = totals_table(comparison.before, comparison.after, style);
  if (!table.empty()) text += "\n" + table.to_text(style);
  return text + fmt::format("\n{} task{} in both plans\n", comparison.unchanged,
                            comparison.unchanged == 1 ? " is the same" : "s are the same");
}

std::string baseline_table(const Plan& plan, const std::vector<Baseline>& baselines, int devices,
                           const Style& style) {
  using Align = Table::Align;
  Table table(
      {{"plan"}, {"makespan", Align::kRight}, {"times", Align::kRight}, {"used", Align::kRight}, {""}});
  add_plan(table, "this plan", plan, plan.makespan_seconds, devices, plan.method);
  for (const Baseline& baseline : baselines)
    add_plan(table, baseline.name, baseline.plan, plan.makespan_seconds, devices, baseline.rule);
  return table.to_text(style);
}

}  // namespace saturn
