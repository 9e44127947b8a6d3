// SPDX-License-Identifier: Apache-2.0
#include "report/plan_report.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "plan/explain/compare.h"
#include "plan/within_budget.h"
#include "report/duration.h"
#include "report/table.h"

namespace saturn {
namespace {

/// Below this the gap is rounding: the solvers' tolerance.
constexpr double kProvenGap = 1e-6;

/// "0,1"; across nodes "0,1 | 0,1".
std::string device_list(const Assignment& a) {
  std::string text;
  for_each_part(a, [&](const std::string&, const std::vector<int>& devices) {
    text += fmt::format("{}{}", text.empty() ? "" : " | ", fmt::join(devices, ","));
  });
  return text;
}

/// "n0"; across nodes "n0 | n1".
std::string node_list(const Assignment& a) {
  std::string text;
  for_each_part(a, [&](const std::string& node, const std::vector<int>&) {
    text += (text.empty() ? "" : " | ") + node;
  });
  return text;
}

/// "ddp bucket_mb=25 on local:0,1 at 30 s".
std::string place(const Assignment& a) {
  const std::string knobs = to_text(a.knobs);
  return fmt::format("{}{} on {} at {}", a.parallelism, knobs.empty() ? "" : " " + knobs, where_text(a),
                     duration_text(a.start_seconds));
}

/// "lower bound 1:12: gap 4.00 %".
std::string bound_text(double value, double bound, double gap) {
  if (bound <= 0 && value > 0) return "no lower bound known";
  return fmt::format(
      "lower bound {}: {}", duration_text(bound),
      gap <= kProvenGap ? std::string("proven optimal") : fmt::format("gap {:.2f} %", gap * 100));
}

/// What ends within the budget; "" without one.
std::string budget_text(const Plan& plan) {
  if (!plan.budget.limited()) return "";
  std::vector<std::string> limits;
  if (std::isfinite(plan.budget.seconds)) limits.push_back(duration_text(std::max(0.0, plan.budget.seconds)));
  if (std::isfinite(plan.budget.device_seconds))
    limits.push_back("device time " + duration_text(std::max(0.0, plan.budget.device_seconds)));
  const size_t ends = ending_within(plan, plan.budget).size();
  const size_t all = plan.assignments.size();
  return fmt::format("budget {}: {} of {} tasks {} to end within it{}\n", fmt::join(limits, ", "), ends, all,
                     ends == 1 ? "is" : "are",
                     ends < all ? "; the others use what they leave, and a larger one goes on" : "");
}

const char* measure_text(Objective::Kind measure) {
  switch (measure) {
    case Objective::Kind::kMakespan:
      return "makespan";
    case Objective::Kind::kMeanCompletion:
      return "mean completion";
    case Objective::Kind::kDeadline:
      return "device time";
  }
  return "";
}

/// Value and bound of what the plan was to make least.
std::string objective_text(const Plan& plan) {
  const std::string makespan = "makespan " + duration_text(plan.makespan_seconds);
  const std::string bound = bound_text(objective_value(plan), objective_bound(plan), plan.gap);
  if (plan.objective.kind == Objective::Kind::kMakespan) return makespan + ", " + bound;
  if (plan.objective.kind == Objective::Kind::kMeanCompletion)
    return fmt::format("mean completion {}, {}; {}", duration_text(objective_value(plan)), bound, makespan);
  const std::string deadline = duration_text(plan.objective.deadline_seconds);
  if (meets_deadline(plan))
    return fmt::format("device time {}, {}; {} within the deadline of {}",
                       duration_text(objective_value(plan)), bound, makespan, deadline);
  const double over = plan.makespan_seconds - plan.objective.deadline_seconds;
  const bool impossible = plan.lower_bound_seconds > plan.objective.deadline_seconds;
  return fmt::format("{}, {} past the deadline of {}: {}", makespan, duration_text(over), deadline,
                     impossible
                         ? fmt::format("no plan ends before {}", duration_text(plan.lower_bound_seconds))
                         : "no plan that meets it was found, nor proven impossible");
}

}  // namespace

/// "pinned", or with the parts that are.
std::string pinned_text(const PinnedParts& pinned) {
  if (pinned.start || pinned.order || !pinned.any()) return pinned.any() ? "pinned" : "";
  return fmt::format("pinned: {}", fmt::join(single_parts(pinned), ", "));
}

/// What else there is to say of a line.
std::string remark(const Assignment& a) {
  const std::string pinned = pinned_text(a.pinned);
  if (!a.beyond_budget) return pinned;
  return (pinned.empty() ? "" : pinned + "; ") + "beyond the budget";
}

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
    table.add({a.task, a.parallelism, to_text(a.knobs), node_list(a), device_list(a),
               duration_text(a.start_seconds), duration_text(a.end_seconds()),
               duration_text(a.duration_seconds), remark(a)});
  }
  return table.empty() ? "the plan has no tasks\n" : table.to_text(style);
}

std::string plan_summary(const Plan& plan) {
  std::string text = objective_text(plan);
  std::string how;
  if (!plan.method.empty()) how = "found by " + plan.method;
  if (!plan.bound_method.empty()) how += (how.empty() ? "" : ", ") + ("bound by " + plan.bound_method);
  text += how.empty() ? "\n" : " (" + how + ")\n";
  if (!plan.assignments.empty())
    text += fmt::format("device time {}; a task ends after {} on average\n",
                        duration_text(device_seconds(plan)), duration_text(mean_completion_seconds(plan)));
  text += budget_text(plan);
  if (plan.baseline_seconds <= 0) return text;
  const double saved = 1 - plan.makespan_seconds / plan.baseline_seconds;
  return text + fmt::format("a whole node each, one after another: {}; this plan {} {:.1f} %\n",
                            duration_text(plan.baseline_seconds), saved >= 0 ? "saves" : "takes longer by",
                            std::abs(saved) * 100);
}

std::string how_far(const Plan& plan, double seconds) {
  const auto count = [&](auto&& is) {
    return std::count_if(plan.assignments.begin(), plan.assignments.end(), is);
  };
  const auto ended = count([&](const Assignment& line) { return line.end_seconds() <= seconds; });
  const auto begun = count([&](const Assignment& line) { return line.start_seconds < seconds; });
  const auto all = static_cast<std::ptrdiff_t>(plan.assignments.size());
  return fmt::format("{} of {} task{} end in it, {} {} under way then, {} {} left for later", ended, all,
                     all == 1 ? "" : "s", begun - ended, begun - ended == 1 ? "is" : "are", all - begun,
                     all - begun == 1 ? "is" : "are");
}

std::string solve_text(const SolveProgress& progress) {
  if (!progress.value)
    return progress.bound > 0 ? "no plan yet, lower bound " + duration_text(progress.bound) : "no plan yet";
  const double value = *progress.value;
  const double gap = value > 0 ? (value - progress.bound) / value : 0;
  std::string text = fmt::format("{} {}, {} ({}", measure_text(progress.measure), duration_text(value),
                                 bound_text(value, progress.bound, gap), progress.method);
  if (!progress.bound_method.empty()) text += "; " + progress.bound_method;
  return text + ")";
}

std::string compare_plans(const Plan& before, const Plan& after, const Style& style) {
  const PlanComparison comparison = compare(before, after);
  Table table({{"task"}, {"before"}, {""}, {"after"}});
  int unchanged = comparison.unchanged;
  for (const TaskDifference& found : comparison.differences) {
    if (!found.before) {
      table.add({found.task, "-", "->", place(*found.after)}, Ink::kGreen);
    } else if (!found.after) {
      table.add({found.task, place(*found.before), "->", "-"}, Ink::kDim);
    } else if (found.moved()) {
      table.add({found.task, place(*found.before), "->", place(*found.after)});
    } else {
      // Times move whenever a speed is measured anew; what counts is what a run would do differently.
      ++unchanged;
    }
  }
  std::string text = fmt::format("makespan {} -> {}{}\n", duration_text(before.makespan_seconds),
                                 duration_text(after.makespan_seconds),
                                 change_text(before.makespan_seconds, after.makespan_seconds));
  if (!table.empty()) text += table.to_text(style);
  return text + fmt::format("{} task{} where {} {}\n", unchanged, unchanged == 1 ? " stays" : "s stay",
                            unchanged == 1 ? "it" : "they", unchanged == 1 ? "is" : "are");
}

}  // namespace saturn
