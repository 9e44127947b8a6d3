// SPDX-License-Identifier: Apache-2.0
#include "planning.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "output.h"
#include "plan/baselines/baselines.h"
#include "plan/baselines/paper.h"
#include "plan/make_problem.h"
#include "plan/pinned_lines.h"
#include "plan/solve.h"
#include "plan/within_budget.h"
#include "plan_view.h"
#include "report/plan_report.h"
#include "run/halving.h"

namespace saturn {
namespace {

namespace fs = std::filesystem;

/// Of what has changed in an edited plan, so many lines are shown.
constexpr size_t kMostNotes = 10;
constexpr Seconds kNoTimeLimit{1e8};
/// A budget that is larger by no more than this share is the same for a plan.
constexpr double kSameBudget = 0.01;

SolveOptions solve_options(const Workload& workload, const InterruptGuard& interrupts) {
  // The paper's method has no other measure than time.
  const std::int64_t work = workload.plan.method == "paper" ? 0 : workload.plan.work;
  return {.time_limit = work > 0 ? kNoTimeLimit : Seconds(workload.plan.time_limit_seconds),
          .gap = workload.plan.gap,
          .seed = workload.plan.seed,
          .work = work,
          .threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency())),
          .cancel = &interrupts.requested()};
}

void stamp(const Session& session, const Profile& profile, Plan& plan) {
  plan.workload_file = session.workload.file;
  plan.workload_hash = workload_hash(session.workload);
  plan.profile_hash = profile_hash(profile);
  plan.cluster_hash = cluster_hash(session.cluster);
}

/// What a solved plan lacks: where it comes from, the baseline beside it, the marks of its pins.
void finish(const Session& session, const Profile& profile, const Problem& problem, Plan& plan,
            const Plan* marks) {
  plan.baseline_seconds = whole_node_baseline(problem).makespan_seconds;
  stamp(session, profile, plan);
  if (marks != nullptr) keep_marks(*marks, plan);
  plan.bound_pins = pins_hash(plan);
}

/// Pins of tasks that are no longer there do not count.
void keep_pins(Problem& problem, const Plan& before) {
  Plan pins = before;
  std::erase_if(pins.assignments, [&](const Assignment& a) {
    return std::none_of(problem.tasks.begin(), problem.tasks.end(),
                        [&](const ProblemTask& task) { return task.name == a.task; });
  });
  apply_pins(problem, pins);
}

/// Errors: InputError when the paper's program leads to no plan, with what to do.
Plan solve_by_paper(const Problem& problem, const SolveOptions& options) {
  if (problem.objective.kind != Objective::Kind::kMakespan)
    throw InputError(
        fmt::format("the paper's MILP knows the makespan alone: leave out the method, or the objective {}",
                    name_of(problem.objective.kind)));
  if (problem.budget.limited())
    throw InputError("the paper's MILP knows no budget: leave out the method, or run.budget");
  if (std::any_of(problem.tasks.begin(), problem.tasks.end(),
                  [](const ProblemTask& task) { return task.pin && !task.pin->after.empty(); }))
    throw InputError("the paper's MILP knows no pinned order: leave out the method, or pin starts");
  if (has_gangs_across_nodes(problem))
    throw InputError("the paper's MILP knows no gangs across nodes: leave out the method");
  std::optional<Plan> plan = solve_paper(problem, options);
  if (plan) return std::move(*plan);
  if (options.cancel->load()) throw Interrupted{};
  const size_t rows = paper_rows(problem);
  const std::string what = rows > kMostPaperRows
                               ? fmt::format("more than the {} that are tried", kMostPaperRows)
                               : fmt::format("and CBC found no plan within plan.time_limit ({})",
                                             to_text_duration(options.time_limit));
  throw InputError(fmt::format(
      "the paper's MILP has about {} rows for these tasks, {}: {}leave it to Saturn's own method (no "
      "`--method paper`, no plan.method), which finds a plan at any size",
      rows, what, rows > kMostPaperRows ? "" : "set a longer one, take fewer tasks, or "));
}

/// Shown while it comes on.
Plan solve_in_view(const Problem& problem, SolveOptions options) {
  PlanView view(options.time_limit);
  options.on_progress = [&](const SolveProgress& now) { view.show(now); };
  return solve(problem, options);
}

/// The plan has the pins of the problem, and marks them as `marks` does (null: there are none).
Plan solve_pinned(const Session& session, const Profile& profile, const Problem& problem,
                  const SolveOptions& options, const Plan* marks) {
  Plan plan = session.workload.plan.method == "paper" ? solve_by_paper(problem, options)
                                                      : solve_in_view(problem, options);
  // What was found in a part of the time must not pass for the plan from then on.
  plan.stopped = options.cancel->load();
  finish(session, profile, problem, plan, marks);
  return plan;
}

bool lacks_a_task(const Problem& problem, const Plan& plan) {
  std::set<std::string> planned;
  for (const Assignment& line : plan.assignments) planned.insert(line.task);
  return std::any_of(problem.tasks.begin(), problem.tasks.end(),
                     [&](const ProblemTask& task) { return !planned.contains(task.name); });
}

/// Whether what the plan says of the budget is so for this one: a little time goes by between two commands.
bool holds_for(const Plan& plan, const Budget& budget) {
  const std::set<std::string> ends = ending_within(plan, budget);
  const bool has_others = std::any_of(plan.assignments.begin(), plan.assignments.end(),
                                      [](const Assignment& line) { return line.beyond_budget; });
  const bool all_end = std::all_of(plan.assignments.begin(), plan.assignments.end(), [&](const auto& line) {
    return line.beyond_budget || ends.contains(line.task);
  });
  if (!has_others) return all_end;
  const auto larger = [](double now, double then) { return now > then + kSameBudget * std::abs(then); };
  return all_end && !larger(budget.seconds, plan.budget.seconds) &&
         !larger(budget.device_seconds, plan.budget.device_seconds);
}

Plan solve_anew(const Session& session, const Profile& profile, const Plan* before,
                InterruptGuard& interrupts) {
  Problem problem = problem_of(session, profile);
  SolveOptions options = solve_options(session.workload, interrupts);
  if (before != nullptr) {
    keep_pins(problem, *before);
    if (before->stopped && options.work == 0) options.incumbent = before;  // else the same plan each time
  }
  return solve_pinned(session, profile, problem, options, before);
}

}  // namespace

Problem problem_of(const Session& session, const Profile& profile) {
  const RunSetup setup = session.setup(profile);
  RemainingSteps steps;  // with successive halving: to the first rung
  for (const TaskSpec& task : setup.tasks)
    steps[task.name] = planned_steps(setup.settings.halving, task, nullptr);
  Problem problem = make_problem(setup.tasks, session.cluster, profile, session.workload.run, steps);
  problem.objective = session.workload.plan.objective;
  problem.budget = budget_left(setup, RunState{});
  return problem;
}

std::vector<std::string> staleness(const Session& session, const Profile& profile, const Plan& plan) {
  std::vector<std::string> reasons;
  const std::string file = session.workload.file.string();
  if (plan.workload_hash != workload_hash(session.workload))
    reasons.push_back(fmt::format("the workload {} has changed", file));
  if (plan.profile_hash != profile_hash(profile)) reasons.push_back("the profile has changed");
  if (plan.cluster_hash != cluster_hash(session.cluster)) reasons.push_back("the cluster has changed");
  return reasons;
}

bool complete_and_check(const Session& session, const Problem& problem, Plan& plan) {
  const Completion completion = complete(problem, plan);
  std::vector<Diagnostic> wrong = check_knobs(session.manifests, plan);
  for (Diagnostic& found : check_plan(problem, plan)) wrong.push_back(std::move(found));
  if (lacks_a_task(problem, plan))
    wrong.push_back(
        {plan.file, 0, 0,
         fmt::format("`saturn plan {} --complete {}` plans tasks without a line around the others",
                     session.workload.file.string(), plan.file),
         ""});
  if (!wrong.empty()) throw InputError(std::move(wrong));
  for (size_t i = 0; i < std::min(completion.retimed.size(), kMostNotes); ++i) say(completion.retimed[i]);
  if (completion.retimed.size() > kMostNotes)
    say(fmt::format("... and {} more times", completion.retimed.size() - kMostNotes));
  return completion.changed();
}

void replace_plan(const fs::path& file, const Plan& plan) {
  const std::string text = to_text(plan);
  if (fs::exists(file)) {
    const std::string before = read_file(file);
    if (before == text) return;
    fs::path kept = file;
    kept.replace_filename(file.stem().string() + ".previous.json");
    write_file_atomically(kept, before);
    say(fmt::format("the plan before is kept in {}", kept.string()));
  }
  if (file.has_parent_path()) make_directories(file.parent_path());
  write_file_atomically(file, text);
}

void keep_plan(const fs::path& file, const Plan& plan) {
  replace_plan(file, plan);
  if (!plan.stopped) return;
  say(
      fmt::format("planning was stopped; the best plan so far is {}:\n{}the same command goes on from it, "
                  "`saturn run {}` takes it as it is",
                  file.string(), plan_summary(plan), file.string()));
  throw Interrupted{};
}

Plan make_plan(const Session& session, const Profile& profile, const PlanRequest& request,
               InterruptGuard& interrupts) {
  if (!fs::exists(request.file)) {
    const Plan plan = solve_anew(session, profile, nullptr, interrupts);
    keep_plan(request.file, plan);
    return plan;
  }
  Plan before = read_plan(request.file);
  std::vector<std::string> reasons = staleness(session, profile, before);
  if (before.stopped && !request.force) reasons.emplace_back("planning was stopped early");
  if (before.objective != session.workload.plan.objective)
    reasons.emplace_back("the plan's objective is another one");
  const Problem problem = problem_of(session, profile);
  if (!holds_for(before, problem.budget)) reasons.emplace_back("the budget is another one");
  if (reasons.empty() && !request.force) {
    if (complete_and_check(session, problem, before)) replace_plan(request.file, before);
    return before;
  }
  for (const std::string& reason : reasons) say(reason + ": planned again");
  const Plan plan = solve_anew(session, profile, &before, interrupts);
  keep_plan(request.file, plan);
  return plan;
}

Plan plan_only(const Session& session, const Profile& profile, InterruptGuard& interrupts) {
  Plan plan = solve_anew(session, profile, nullptr, interrupts);
  if (interrupts.requested()) throw Interrupted{};
  return plan;
}

std::vector<Baseline> stamped_baselines(const Session& session, const Profile& profile, const Plan& plan) {
  std::vector<Baseline> result = baselines(problem_of(session, profile), session.workload.plan.seed);
  for (Baseline& baseline : result) {
    Plan& made = baseline.plan;
    stamp(session, profile, made);
    if (plan.bound_pins.empty()) {
      made.lower_bound_seconds = std::min(plan.lower_bound_seconds, made.makespan_seconds);
      if (plan.objective.kind == Objective::Kind::kMakespan) made.bound_method = plan.bound_method;
    }
    if (made.makespan_seconds > 0) made.gap = 1 - made.lower_bound_seconds / made.makespan_seconds;
  }
  return result;
}

Plan plan_around(const Session& session, const Profile& profile, const Plan& kept,
                 InterruptGuard& interrupts) {
  Problem around = problem_of(session, profile);
  Problem pinned = around;
  Plan pins = kept;
  for (Assignment& line : pins.assignments)
    if (!line.pinned.order) line.pinned = PinnedParts::whole();
  apply_pins(around, pins);
  apply_pins(pinned, kept);
  SolveOptions options = solve_options(session.workload, interrupts);
  options.time_limit /= 2;
  Plan plan = solve_pinned(session, profile, around, options, &kept);
  // Lines that were only kept are no rule for others: the bound is that of the pins alone.
  options.incumbent = &plan;
  const Plan free = solve_in_view(pinned, options);
  plan.lower_bound_seconds = std::min(free.lower_bound_seconds, plan.makespan_seconds);
  plan.objective_bound = meets_deadline(plan) ? std::min(free.objective_bound, objective_value(plan)) : 0;
  plan.bound_method = free.bound_method;
  plan.gap = gap_of(plan);
  plan.stopped = options.cancel->load();
  return plan;
}

Plan plan_rest(const Session& session, const Profile& profile, const Problem& rest, const Plan& current,
               InterruptGuard& interrupts) {
  Plan plan = solve_in_view(rest, solve_options(session.workload, interrupts));
  if (interrupts.requested()) throw Interrupted{};
  finish(session, profile, rest, plan, &current);
  return plan;
}

}  // namespace saturn
