// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <unistd.h>

#include "base/error.h"
#include "commands.h"
#include "output.h"
#include "plan/baselines/baselines.h"
#include "plan/explain/compare.h"
#include "plan/explain/explain.h"
#include "plan/make_problem.h"
#include "plan/pinned_lines.h"
#include "plan_elsewhere.h"
#include "planning.h"
#include "report/comparison_report.h"
#include "report/explain_report.h"
#include "report/gantt.h"
#include "report/plan_report.h"
#include "report/style.h"
#include "run/journal.h"
#include "run/state.h"

namespace saturn {
namespace {

namespace fs = std::filesystem;

std::string plan_text(const Plan& plan, const Cluster& cluster) {
  const Style style = style_of(STDOUT_FILENO);
  return plan_table(plan, style) + "\n" + gantt(gantt_rows(plan, cluster), style) + "\n" + plan_summary(plan);
}

Plan checked_plan(const Session& session, const Profile& profile, const std::string& file) {
  Plan plan = read_plan(file);
  const std::vector<std::string> reasons = staleness(session, profile, plan);
  std::vector<Diagnostic> errors;
  for (const std::string& reason : reasons) {
    errors.push_back({file, 0, 0, fmt::format("the plan is stale: {} since it was made", reason), ""});
  }
  if (!errors.empty()) throw InputError(std::move(errors));
  complete_and_check(session, problem_of(session, profile), plan);
  return plan;
}

/// A run that has begun keeps its plan: `replan` changes it.
void refuse_begun(const Session& session) {
  if (!fs::exists(session.directory.journal_file())) return;
  if (replay(read_journal(session.directory.journal_file())).sessions == 0) return;
  throw InputError(
      fmt::format("the run in {} has begun: `saturn replan {}` plans what is left of it; for a new "
                  "run name another directory (run.directory in the workload)",
                  session.directory.path.string(), session.directory.path.string()));
}

/// Errors: InputError with everything on the command line that does not go together.
void require_consistent(const PlanCommand& command) {
  std::vector<Diagnostic> errors;
  const auto error = [&](const char* message) { errors.push_back({"", 0, 0, message, ""}); };
  const bool compares = !command.compare.empty();
  const bool checks = !command.check.empty();
  const bool completes = !command.complete.empty();
  if (!compares && command.workload.empty())
    error("which workload? `saturn plan W.yaml` (only --compare needs none)");
  if (compares && (checks || completes || command.makes() || command.baselines || command.explain ||
                   !command.output.empty()))
    error("--compare goes with no other option but --json");
  if (compares && !command.workload.empty()) error("--compare takes two plans and no workload");
  const bool elsewhere = !command.clusters.empty();
  if (elsewhere && (compares || checks || completes || command.force))
    error(
        "--cluster plans for devices that need not be there, from nothing: leave out --compare, --check, "
        "--complete and --force");
  if (command.clusters.size() > 1 && (command.explain || command.baselines || !command.output.empty()))
    error("several clusters are only compared: give one for --explain, --baselines or --output");
  if (checks && completes) error("--check looks at a plan, --complete makes one whole: give one of them");
  if (completes && command.force)
    error("--complete keeps the lines that there are, --force only the pinned: give one of them");
  if (checks && !command.method.empty())
    error("--check looks at a plan, --method makes one: give one of them");
  if (checks && !command.objective.empty())
    error("--check looks at a plan, --objective makes one: give one of them");
  if (checks && command.work > 0) error("--check looks at a plan, --work makes one: give one of them");
  if (!command.objective.empty() && !parse_objective(command.objective))
    error("--objective is makespan, mean_completion, or deadline=TIME with a time as 90s, 5m or 1h30m");
  if (checks && command.force) error("--check looks at a plan, --force makes one: give one of them");
  if (checks && !command.output.empty()) error("--check writes nothing: leave out --output");
  if (!errors.empty()) throw InputError(std::move(errors));
}

/// A plan to compare: what an edit left out is not known here.
Plan whole_plan(const std::string& file) {
  Plan plan = read_plan(file);
  std::vector<Diagnostic> errors;
  for (const Assignment& line : plan.assignments) {
    if (line.start_known && line.duration_known) continue;
    errors.push_back({file, line.mark.line, line.mark.column,
                      fmt::format("task '{}' has no {}; `saturn plan W.yaml --check {} --json` fills it in",
                                  line.task, line.start_known ? "duration_seconds" : "start_seconds", file),
                      ""});
  }
  if (!errors.empty()) throw InputError(std::move(errors));
  return plan;
}

int run_compare(const PlanCommand& command, const CommonOptions& options) {
  const PlanComparison comparison = compare(whole_plan(command.compare[0]), whole_plan(command.compare[1]));
  print(options.json ? to_json(comparison).dump(2) + "\n"
                     : comparison_report(comparison, style_of(STDOUT_FILENO)));
  return 0;
}

Plan completed_plan(const Session& session, const Profile& profile, const std::string& file,
                    InterruptGuard& interrupts) {
  const Plan kept = read_plan(file);
  for (const std::string& reason : staleness(session, profile, kept))
    say(fmt::format("{} since {} was made: its lines stay where they can", reason, file));
  return plan_around(session, profile, kept, interrupts);
}

/// A plan by the workload and what else was asked for.
Plan plan_or_check(const PlanCommand& command, const Session& session, const Profile& profile,
                   InterruptGuard& interrupts) {
  if (!command.check.empty()) return checked_plan(session, profile, command.check);
  const fs::path file = command.output.empty() ? session.directory.plan_file() : fs::path(command.output);
  std::optional<RunLock> lock;
  if (fs::absolute(file).lexically_normal() == session.directory.plan_file()) {
    lock.emplace(session.directory);
    refuse_begun(session);
  }
  Plan plan;
  if (command.complete.empty()) {
    plan = make_plan(session, profile, {file, command.makes()}, interrupts);
  } else {
    plan = completed_plan(session, profile, command.complete, interrupts);
    keep_plan(file, plan);
  }
  say("plan: " + file.string());
  return plan;
}

/// `saturn run W.yaml` goes by the workload.
void say_that_it_is_for_once(const Session& session, const Objective& usual) {
  if (session.workload.plan.objective == usual) return;
  say(fmt::format(
      "the workload's objective is another one: `saturn run PLAN.json` runs this plan, `saturn run "
      "{}` plans again",
      session.workload.file.string()));
}

/// What is printed after the plan, and stands beside it in the JSON.
struct Extras {
  std::vector<Baseline> baselines;
  std::optional<Explanation> explanation;
};

std::vector<std::string> unavailable_ways_of(const Session& session, const Profile& profile,
                                             const std::string& name) {
  for (const TaskSpec& task : session.workload.tasks)
    if (task.name == name) return unavailable_ways(task, session.cluster, profile);
  return {};
}

Explanation explanation_of(const PlanCommand& command, const Session& session, const Profile& profile,
                           const Plan& plan, InterruptGuard& interrupts) {
  Problem problem = problem_of(session, profile);
  problem.budget = {};
  problem.objective = {};  // what is explained is when the plan ends
  apply_pins(problem, plan);
  Explanation result = explain(problem, plan,
                               {.task = command.explained_task,
                                .time_limit = Seconds(session.workload.plan.time_limit_seconds),
                                .seed = session.workload.plan.seed,
                                .cancel = &interrupts.requested()});
  if (interrupts.requested()) throw Interrupted{};
  if (!command.explained_task.empty())
    result.tasks.front().not_available = unavailable_ways_of(session, profile, command.explained_task);
  return result;
}

std::string report_text(const Plan& plan, const Extras& extras, const Cluster& cluster) {
  const Style style = style_of(STDOUT_FILENO);
  std::string text = extras.explanation
                         ? plan_summary(plan) + "\n" + explain_report(*extras.explanation, style)
                         : plan_text(plan, cluster);
  if (!extras.baselines.empty())
    text += "\n" + baseline_table(plan, extras.baselines, cluster.device_count(), style);
  return text;
}

/// plan.json itself, unless there is more to say.
std::string report_json(const Plan& plan, const Extras& extras) {
  if (extras.baselines.empty() && !extras.explanation) return to_text(plan);
  nlohmann::ordered_json json{{"schema", "saturn.plan_report/1"}, {"plan", to_json(plan)}};
  for (const Baseline& baseline : extras.baselines)
    json["baselines"].push_back(
        {{"name", baseline.name}, {"rule", baseline.rule}, {"plan", to_json(baseline.plan)}});
  if (extras.explanation) json["explanation"] = to_json(*extras.explanation);
  return json.dump(2) + "\n";
}

Extras extras_of(const PlanCommand& command, const Session& session, const Profile& profile, const Plan& plan,
                 InterruptGuard& interrupts) {
  Extras extras;
  if (command.explain) extras.explanation = explanation_of(command, session, profile, plan, interrupts);
  if (command.baselines) extras.baselines = stamped_baselines(session, profile, plan);
  return extras;
}

void print_comparison(const std::vector<PlanElsewhere>& plans, const CommonOptions& options) {
  if (!options.json) return print(comparison_table(plans));
  nlohmann::ordered_json json{{"schema", "saturn.cluster_plans/1"}};
  for (const PlanElsewhere& made : plans)
    json["plans"].push_back({{"cluster", made.shape},
                             {"devices", made.session.cluster.device_count()},
                             {"plan", to_json(made.plan)}});
  print(json.dump(2) + "\n");
}

int plan_for_clusters(const PlanCommand& command, const Session& session, const CommonOptions& options,
                      InterruptGuard& interrupts) {
  const std::vector<PlanElsewhere> plans = plans_elsewhere(command, session, interrupts);
  if (plans.size() > 1) {
    print_comparison(plans, options);
    return 0;
  }
  const PlanElsewhere& made = plans.front();
  if (!command.output.empty()) replace_plan(command.output, made.plan);
  const Extras extras = extras_of(command, made.session, made.profile, made.plan, interrupts);
  print(options.json ? report_json(made.plan, extras) : report_text(made.plan, extras, made.session.cluster));
  return 0;
}

}  // namespace

int run_plan(const PlanCommand& command, const CommonOptions& options, InterruptGuard& interrupts) {
  require_consistent(command);
  if (!command.compare.empty()) return run_compare(command, options);
  std::optional<Cluster> given;
  if (!command.clusters.empty()) given = clusters_asked_for(command).front();
  Session session = open_session(command.workload, options, given);
  if (!command.method.empty()) session.workload.plan.method = command.method;
  if (command.work > 0) session.workload.plan.work = command.work;
  const Objective usual = session.workload.plan.objective;
  if (!command.objective.empty()) session.workload.plan.objective = *parse_objective(command.objective);
  set_budget(session, {});
  if (given) return plan_for_clusters(command, session, options, interrupts);
  const Profile profile = make_profile(session, options, {session.directory.profile_file()}, interrupts);
  const Plan plan = plan_or_check(command, session, profile, interrupts);
  say_that_it_is_for_once(session, usual);
  const Extras extras = extras_of(command, session, profile, plan, interrupts);
  print(options.json ? report_json(plan, extras) : report_text(plan, extras, session.cluster));
  return 0;
}

}  // namespace saturn
