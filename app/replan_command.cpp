// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <thread>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "commands.h"
#include "output.h"
#include "planning.h"
#include "replan/remaining.h"
#include "report/plan_report.h"
#include "report/style.h"
#include "run/journal.h"
#include "run/requests.h"

namespace saturn {
namespace {

namespace fs = std::filesystem;

/// For a run to answer, and to plan what it has left.
constexpr Seconds kPatience{60};
constexpr std::chrono::milliseconds kPollEvery{100};

Plan solve_remaining(const Session& session, const Profile& profile, const RunState& state,
                     const Plan& current, InterruptGuard& interrupts) {
  const RunSetup setup = session.setup(profile);
  const RemainingInputs inputs{setup, profile, state, current};
  return in_cluster(inputs, plan_rest(session, profile, remaining_problem(inputs), current, interrupts));
}

/// What is left of the old plan, in time; 0 when the workload and the cluster are such now that nothing of it
/// can be carried out any more.
double seconds_left(const RemainingInputs& inputs) {
  Plan current = inputs.current;
  std::erase_if(current.assignments,
                [&](const Assignment& line) { return inputs.setup.task(line.task) == nullptr; });
  try {
    const RemainingInputs known{inputs.setup, inputs.profile, inputs.state, current};
    return projected_seconds(known, remaining_problem(known));
  } catch (const InputError&) {
    return 0;
  }
}

/// The journal tells every plan. A run without a session has none yet: its first one will say so.
void record_plan(const RunDirectory& directory, double seconds_before, const Plan& plan) {
  Journal journal(directory.journal_file());
  const RunState state = replay(journal.past());
  if (state.plans.empty()) return;
  journal.append(PlanAdopted{state.session_seconds, "replan", seconds_before, plan.makespan_seconds});
}

/// The run goes on where the workload says; a run directory that was moved is no longer that place.
std::string how_to_go_on(const Session& session) {
  const std::string file = session.workload.file.string();
  const std::string go_on = fmt::format("saturn run {} goes on with this plan", file);
  std::error_code missing;
  if (fs::equivalent(session.workload.run.directory, session.directory.path, missing)) return go_on;
  return fmt::format("set run.directory to {} in {}, then {}", session.directory.path.string(), file, go_on);
}

bool nothing_left(const RunState& state, const std::vector<TaskSpec>& tasks) {
  return std::all_of(tasks.begin(), tasks.end(),
                     [&](const TaskSpec& task) { return state.is_over(task.name); });
}

using Names = std::vector<std::string>;

bool contains(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Names names_of(const std::vector<TaskSpec>& tasks) {
  Names names;
  for (const TaskSpec& task : tasks) names.push_back(task.name);
  return names;
}

/// The tasks of the files to add. Errors: InputError (a name that the run or another file has).
std::vector<TaskSpec> tasks_to_add(const Names& files, const Names& present) {
  std::vector<TaskSpec> tasks;
  std::vector<Diagnostic> errors;
  for (const std::string& file : files) {
    for (TaskSpec& task : read_workload(file).tasks) {
      const bool doubled = contains(present, task.name) || contains(names_of(tasks), task.name);
      if (doubled) {
        errors.push_back(
            {file, task.mark.line, task.mark.column,
             fmt::format("the run has a task '{}' already: give this one another name", task.name), ""});
      }
      tasks.push_back(std::move(task));
    }
  }
  if (!errors.empty()) throw InputError(std::move(errors));
  return tasks;
}

/// What the run is of with the changes that the command asks for. Errors: InputError.
RunIdentity changed_run(const Session& session, const RunIdentity& before, const ReplanCommand& command) {
  RunIdentity run{session.workload.file, amended(session.workload.tasks, before), before.dropped,
                  before.added};
  const Names present = names_of(run.tasks);
  std::vector<Diagnostic> errors;
  for (const std::string& task : command.drop) {
    if (contains(present, task)) continue;
    errors.push_back({"", 0, 0,
                      fmt::format("--drop {}: the run has no such task{}", task, did_you_mean(task, present)),
                      ""});
  }
  if (!errors.empty()) throw InputError(std::move(errors));
  std::erase_if(run.tasks, [&](const TaskSpec& task) { return contains(command.drop, task.name); });
  for (const std::string& task : command.drop) {
    if (std::erase(run.added, task) == 0 && !contains(run.dropped, task)) run.dropped.push_back(task);
  }
  for (TaskSpec& task : tasks_to_add(command.add, names_of(run.tasks))) {
    run.added.push_back(task.name);  // in place of one of the workload that was dropped, perhaps
    run.tasks.push_back(std::move(task));
  }
  return run;
}

/// What both ways of replanning start from.
struct Change {
  RunIdentity before;
  RunIdentity run;
  Session session;
};

void say_differences(const Change& change) {
  for (const std::string& line : differences(change.before, change.run)) say(line);
}

void print_plan(const Plan& before, const Plan& plan, const CommonOptions& options) {
  print(options.json ? to_text(plan) : compare_plans(before, plan, style_of(STDOUT_FILENO)));
}

int replan_stopped(const ReplanCommand& command, Change& change, const CommonOptions& options,
                   InterruptGuard& interrupts) {
  Session& session = change.session;
  const RunDirectory& directory = session.directory;
  const RunState past = replay(read_journal(directory.journal_file()));
  set_budget(session, past);
  require_continuable(session);
  const RunState state = next_session(past, session.workload.tasks);
  if (nothing_left(state, session.workload.tasks)) {
    say("nothing is left to plan: every task has ended; the plan stays as it is");
    return 0;
  }
  const Profile profile = make_profile(session, options, {directory.profile_file()}, interrupts);
  const Plan current = read_plan(directory.plan_file());
  const Plan plan = solve_remaining(session, profile, state, current, interrupts);
  say_differences(change);
  print_plan(current, plan, options);
  if (command.dry_run) return 0;
  const RunSetup setup = session.setup(profile);
  const double before_seconds = seconds_left({setup, profile, state, current});
  replace_plan(directory.plan_file(), plan);
  write_file_atomically(directory.run_file(), to_text(change.run));
  record_plan(directory, before_seconds, plan);
  say(how_to_go_on(session));
  return 0;
}

/// How often the plan of the run was looked at.
int looks(const RunState& state) {
  return static_cast<int>(state.plans.size()) + state.plans_kept;
}

/// The plan that the run goes on by after the change, when it has one within the time.
std::optional<Plan> next_plan(const RunDirectory& directory, int looks_before) {
  const SteadyClock clock;
  const Seconds deadline = clock.now() + kPatience;
  while (clock.now() < deadline && in_use(directory)) {
    if (looks(replay(read_journal(directory.journal_file()))) > looks_before)
      return read_plan(directory.plan_file());
    std::this_thread::sleep_for(kPollEvery);
  }
  return {};
}

int change_running(const Change& change, const Profile& profile, const Plan& current, int looks_before,
                   const CommonOptions& options) {
  const RunDirectory& directory = change.session.directory;
  write_profile(directory.profile_file(), profile);
  const std::string id = fmt::format("{} {}", utc_timestamp(), ::getpid());
  const auto answer =
      ask_run(directory, {id, change.run, change.session.setup(profile).tasks}, SteadyClock(), kPatience);
  if (!answer) {
    throw SystemError("reach", "the run in " + directory.path.string(), "it does not answer",
                      "when it has ended, the same command changes what is left of it");
  }
  if (!answer->taken) throw InputError(answer->text);
  say(answer->text);
  if (answer->text == kNothingChanged) return 0;
  if (const auto plan = next_plan(directory, looks_before)) print_plan(current, *plan, options);
  return 0;
}

int replan_running(const ReplanCommand& command, Change& change, const CommonOptions& options,
                   InterruptGuard& interrupts) {
  Session& session = change.session;
  require_continuable(session);
  const Profile profile = known_profile_of(session, options, interrupts);
  const RunState state = replay(read_journal(session.directory.journal_file()));
  set_budget_under_way(session, state);
  const Plan current = read_plan(session.directory.plan_file());
  if (!command.dry_run) return change_running(change, profile, current, looks(state), options);
  say_differences(change);
  print_plan(current, solve_remaining(session, profile, state, current, interrupts), options);
  return 0;
}

}  // namespace

int run_replan(const ReplanCommand& command, const CommonOptions& options, InterruptGuard& interrupts) {
  const RunDirectory directory{fs::absolute(command.directory).lexically_normal()};
  require_run_directory(command.directory);
  std::optional<RunLock> lock;
  const bool goes_on = in_use(directory);
  if (!goes_on) lock.emplace(directory);
  Change change{.before = read_run_identity(directory), .run = {}, .session = {}};
  change.session =
      open_session(command.workload.empty() ? change.before.workload_file : command.workload, options);
  change.session.directory = directory;
  change.run = changed_run(change.session, change.before, command);
  change.session.workload.tasks = change.run.tasks;
  check_parallelisms(change.session.workload, change.session.manifests);
  return goes_on ? replan_running(command, change, options, interrupts)
                 : replan_stopped(command, change, options, interrupts);
}

}  // namespace saturn
