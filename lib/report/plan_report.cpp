// SPDX-License-Identifier: Apache-2.0
#include "report/plan_report.h"

#include <cmath>
#include <fmt/format.h>
#include <map>
#include <set>

#include "report/duration.h"
#include "report/table.h"

namespace saturn {
namespace {

/// Below this the gap is rounding: the solvers' tolerance.
constexpr double kProvenGap = 1e-6;

std::string device_list(const Assignment& a) {
  return fmt::format("{}", fmt::join(a.devices, ","));
}

/// "ddp bucket_mb=25 on local:0,1 at 30 s".
std::string place(const Assignment& a) {
  const std::string knobs = to_text(a.knobs);
  return fmt::format("{}{} on {}:{} at {}", a.parallelism, knobs.empty() ? "" : " " + knobs, a.node,
                     device_list(a), duration_text(a.start_seconds));
}

bool same_place(const Assignment& a, const Assignment& b) {
  // Times move whenever a speed is measured anew; what counts is what a run would do differently.
  return a.parallelism == b.parallelism && a.knobs == b.knobs && a.node == b.node && a.devices == b.devices;
}

std::map<std::string, const Assignment*> by_task(const Plan& plan) {
  std::map<std::string, const Assignment*> tasks;
  for (const Assignment& a : plan.assignments) tasks.emplace(a.task, &a);
  return tasks;
}

/// "-12.5 %"; nothing when there is nothing to compare with.
std::string change(double before, double after) {
  if (before <= 0) return "";
  return fmt::format(" ({:+.1f} %)", (after - before) / before * 100);
}

}  // namespace

std::string plan_table(const Plan& plan, const Style& style) {
  using Align = Table::Align;
  Table table({{"task"},
               {"parallelism"},
               {"knobs"},
               {"node"},
               {"devices"},
               {"start", Align::kRight},
               {"end", Align::kRight},
               {"duration", Align::kRight},
               {""}});
  for (const Assignment& a : plan.assignments) {
    table.add({a.task, a.parallelism, to_text(a.knobs), a.node, device_list(a),
               duration_text(a.start_seconds), duration_text(a.end_seconds()),
               duration_text(a.duration_seconds), a.pinned ? "pinned" : ""});
  }
  return table.empty() ? "the plan has no tasks\n" : table.to_text(style);
}

std::string plan_summary(const Plan& plan) {
  std::string text = fmt::format(
      "makespan {}, lower bound {}: {}", duration_text(plan.makespan_seconds),
      duration_text(plan.lower_bound_seconds),
      plan.gap <= kProvenGap ? std::string("proven optimal") : fmt::format("gap {:.2f} %", plan.gap * 100));
  std::string how;
  if (!plan.method.empty()) how = "found by " + plan.method;
  if (!plan.bound_method.empty()) how += (how.empty() ? "" : ", ") + ("bound by " + plan.bound_method);
  text += how.empty() ? "\n" : " (" + how + ")\n";
  if (plan.baseline_seconds <= 0) return text;
  const double saved = 1 - plan.makespan_seconds / plan.baseline_seconds;
  return text + fmt::format("a whole node each, one after another: {}; this plan {} {:.1f} %\n",
                            duration_text(plan.baseline_seconds), saved >= 0 ? "saves" : "takes longer by",
                            std::abs(saved) * 100);
}

std::string compare_plans(const Plan& before, const Plan& after, const Style& style) {
  const auto old_tasks = by_task(before), new_tasks = by_task(after);
  Table table({{"task"}, {"before"}, {""}, {"after"}});
  int unchanged = 0;
  for (const Assignment& a : after.assignments) {
    const auto old = old_tasks.find(a.task);
    if (old == old_tasks.end()) {
      table.add({a.task, "-", "->", place(a)}, Ink::kGreen);
    } else if (same_place(*old->second, a)) {
      ++unchanged;
    } else {
      table.add({a.task, place(*old->second), "->", place(a)});
    }
  }
  for (const Assignment& a : before.assignments) {
    if (new_tasks.count(a.task) == 0) table.add({a.task, place(a), "->", "-"}, Ink::kDim);
  }
  std::string text = fmt::format("makespan {} -> {}{}\n", duration_text(before.makespan_seconds),
                                 duration_text(after.makespan_seconds),
                                 change(before.makespan_seconds, after.makespan_seconds));
  if (!table.empty()) text += table.to_text(style);
  return text + fmt::format("{} task{} where {} {}\n", unchanged, unchanged == 1 ? " stays" : "s stay",
                            unchanged == 1 ? "it" : "they", unchanged == 1 ? "is" : "are");
}

}  // namespace saturn
