// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "commands.h"
#include "launch/gpu_watch.h"
#include "launching.h"
#include "live_trials.h"
#include "output.h"
#include "plan/make_problem.h"
#include "planning.h"
#include "replan/introspection.h"
#include "replan/remaining.h"
#include "report/plan_report.h"
#include "report/run_report.h"
#include "run/executor.h"
#include "run/journal.h"
#include "run/on_finish.h"
#include "run/requests.h"
#include "run_view.h"
#include "script/script_files.h"
#include "summary.h"
#include "time_limit.h"

namespace saturn {
namespace {

namespace fs = std::filesystem;

/// Solving must not take the cores that train for longer than this share of the interval.
constexpr double kSolveShare = 0.1;
/// And without an interval, when only events have the plan made anew.
constexpr double kSolveSeconds = 5;

struct Prepared {
  RunIdentity run;
  Profile profile;
  Plan plan;
  bool replanned = false;       ///< it is not the one in the file
  std::vector<Record> records;  ///< of earlier sessions
  RunState state;               ///< after them
};

std::vector<Diagnostic> as_diagnostics(const std::string& file, const std::vector<std::string>& messages) {
  std::vector<Diagnostic> diagnostics;
  for (const std::string& message : messages) diagnostics.push_back({file, 0, 0, message, ""});
  return diagnostics;
}

void require_same_run(const Session& session, const RunIdentity& before) {
  const RunIdentity now{session.workload.file, session.workload.tasks};
  std::vector<std::string> lines = differences(before, now);
  if (lines.empty()) return;
  const std::string directory = session.directory.path;
  lines.push_back(
      fmt::format("this is another workload than the one that {} is a run of: `saturn replan {}` takes the "
                  "changes in; for a new run name another directory (run.directory in the workload)",
                  directory, directory));
  throw InputError(as_diagnostics(session.workload.file, lines));
}

/// A plan named on the command line must be fresh: it was made for exactly this workload, profile and
/// cluster.
Plan given_plan(const Session& session, const Profile& profile, const fs::path& file) {
  Plan plan = read_plan(file);
  std::vector<std::string> reasons = staleness(session, profile, plan);
  for (std::string& reason : reasons)
    reason = "the plan is stale: " + reason + " since it was made; `saturn plan` makes it again";
  if (!reasons.empty()) throw InputError(as_diagnostics(file, reasons));
  complete_and_check(session, problem_of(session, profile), plan);
  return plan;
}

/// The workload that the plan was made for, which may have been moved since.
fs::path workload_of(const fs::path& plan_file) {
  const std::string workload = read_plan(plan_file).workload_file;
  if (fs::exists(workload)) return workload;
  throw InputError(
      {{plan_file, 0, 0,
        fmt::format("the workload that it is a plan of, '{}', is not there: correct workload_file, "
                    "or run the workload itself",
                    workload),
        ""}});
}

/// A run that has begun cannot do without what says what it is of. Errors: InputError.
void require_identity(const RunDirectory& directory) {
  if (fs::exists(directory.run_file())) return;
  throw InputError(
      fmt::format("the run in {} has begun (it has a journal), but its run.json is gone: put that back, or "
                  "move the directory away to begin anew",
                  directory.path.string()));
}

/// Tasks that came to the run while it went on, and have not come into its plan before it ended.
bool lacks_new_tasks(const Prepared& prepared, const RunSetup& setup, const RunState& state,
                     const Plan& plan) {
  std::set<std::string> added;
  for (const Record& record : prepared.records)
    if (const auto* changed = std::get_if<TasksChanged>(&record))
      added.insert(changed->added.begin(), changed->added.end());
  for (const Assignment& line : plan.assignments) added.erase(line.task);
  return std::any_of(added.begin(), added.end(), [&](const std::string& task) {
    return setup.task(task) != nullptr && !state.is_over(task);
  });
}

Plan plan_with_new_tasks(const Session& session, const Prepared& prepared, const RunState& state,
                         Plan current, InterruptGuard& interrupts) {
  say("tasks that came in are not in the plan yet: what is left is planned again");
  const RunSetup setup = session.setup(prepared.profile);
  std::erase_if(current.assignments,
                [&](const Assignment& line) { return setup.task(line.task) == nullptr; });
  const RemainingInputs inputs{setup, prepared.profile, state, current};
  return in_cluster(inputs,
                    plan_rest(session, prepared.profile, remaining_problem(inputs), current, interrupts));
}

/// A run that has begun: its plan is what is left, and only has to be possible.
Plan continued_plan(const Session& session, Prepared& prepared, const fs::path& file,
                    InterruptGuard& interrupts) {
  if (!fs::exists(file) && file == session.directory.plan_file()) {
    throw InputError(fmt::format("the plan of the run is gone ({}): `saturn replan {}` plans what is left",
                                 file.string(), session.directory.path.string()));
  }
  Plan plan = read_plan(file);
  const RunState state = next_session(prepared.state, session.setup(prepared.profile).tasks);
  prepared.replanned = lacks_new_tasks(prepared, session.setup(prepared.profile), state, plan);
  if (prepared.replanned) plan = plan_with_new_tasks(session, prepared, state, std::move(plan), interrupts);
  std::vector<Diagnostic> wrong = check_executable(session.setup(prepared.profile), plan, state);
  if (!wrong.empty()) {
    const std::string advice =
        fmt::format("correct the plan, or let `saturn replan {}` plan what is left of the run",
                    session.directory.path.string());
    wrong.push_back({file, 0, 0, advice, ""});
    throw InputError(std::move(wrong));
  }
  const bool has_gaps = std::any_of(plan.assignments.begin(), plan.assignments.end(), [](const auto& line) {
    return !line.knobs_known || !line.start_known || !line.duration_known;
  });
  if (has_gaps) complete(problem_of(session, prepared.profile), plan);
  return plan;
}

Prepared prepare(Session& session, const std::optional<fs::path>& plan_file, const CommonOptions& options,
                 InterruptGuard& interrupts) {
  Prepared prepared;
  const RunDirectory& directory = session.directory;
  if (fs::exists(directory.journal_file())) prepared.records = read_journal(directory.journal_file());
  prepared.state = replay(prepared.records);
  const bool begun = prepared.state.sessions > 0;
  prepared.run = {.workload_file = session.workload.file,
                  .tasks = session.workload.tasks,
                  .cluster = session.given_cluster};
  if (begun) {
    require_identity(directory);
    const RunIdentity before = read_run_identity(directory);
    session.workload.tasks = amended(session.workload.tasks, before);
    check_parallelisms(session.workload, session.manifests);
    prepared.run = {session.workload.file, session.workload.tasks, before.dropped, before.added,
                    before.cluster};
    require_same_run(session, before);
  }
  set_budget(session, prepared.state);
  require_continuable(session);
  prepared.profile = make_profile(session, options, {directory.profile_file()}, interrupts);
  if (begun) {
    prepared.plan = continued_plan(session, prepared, plan_file.value_or(directory.plan_file()), interrupts);
  } else if (plan_file) {
    prepared.plan = given_plan(session, prepared.profile, *plan_file);
  } else {
    prepared.plan = make_plan(session, prepared.profile, {directory.plan_file()}, interrupts);
  }
  return prepared;
}

int exit_code(RunEnd end) {
  return end == RunEnd::kOutOfBudget ? kOutOfBudget : end == RunEnd::kDone ? 0 : 1;
}

void say_that_budget_is_spent(const Session& session, const RunState& state, const std::string& target) {
  const auto finished =
      std::count_if(session.workload.tasks.begin(), session.workload.tasks.end(), [&](const TaskSpec& task) {
        const TaskState* now = state.task(task.name);
        return now != nullptr && now->phase == TaskState::Phase::kFinished;
      });
  say(fmt::format(
      "the budget is spent ({}): {} of {} tasks have finished, the others are kept as far as they "
      "came; with a larger run.budget the same command goes on: saturn run {}",
      to_text(session.workload.run.budget), finished, session.workload.tasks.size(), target));
}

/// A plan that is longer than what is left of the allocation.
void say_how_far(const Plan& plan, Seconds left) {
  if (plan.makespan_seconds <= left.count()) return;
  say(fmt::format("the allocation ends in {}: by the plan {}", to_text_duration(left),
                  how_far(plan, left.count())));
}

/// What the script would go on from.
std::string checkpoint_of(const Job& job) {
  return ScriptCheckpoints(job.directory, job.keep_checkpoints).latest().path;
}

std::string command_lines(const RunSetup& setup, const Plan& plan, const RunState& state) {
  std::string text;
  for (const Assignment& assignment : plan.assignments) {
    if (state.is_over(assignment.task)) continue;
    text += fmt::format("# {} at {}: {} on {} devices {}", assignment.task,
                        to_text_duration(Seconds(assignment.start_seconds)), assignment.parallelism,
                        assignment.node, fmt::join(assignment.devices, ","));
    for (const NodeDevices& part : assignment.further)
      text += fmt::format(", {} devices {}", part.node, fmt::join(part.devices, ","));
    text += "\n";
    for (const auto& rank : make_gang(setup, assignment).ranks) {
      std::string line;
      for (const std::string& word : rank) line += (line.empty() ? "" : " ") + shell_word(word);
      text += line + "\n";
    }
    const Job job = make_job(setup, assignment);
    if (job.command)
      text += "# which runs: " + to_shell(command_line(job, job.knobs, checkpoint_of(job))) + "\n";
  }
  return text;
}

/// What `saturn replan` has left for the tasks that the run has now.
Profile changed_profile(const RunDirectory& directory, const Profile& before, RunObserver& observer) {
  try {
    return read_profile(directory.profile_file());
  } catch (const std::exception& error) {
    observer.message(std::string("warning: the profile before is used: ") + error.what());
    return before;
  }
}

std::unique_ptr<DeviceWatch> watch_of(const Session& session, RunObserver& observer) {
  return make_gpu_watch(session.cluster, gpu_watcher(),
                        [&](const std::string& text) { observer.message(text); });
}

/// State and tasks are then those that the run came to.
RunEnd execute(Session& session, Prepared& prepared, const CommonOptions& options,
               InterruptGuard& interrupts) {
  Journal journal(session.directory.journal_file());
  set_budget(session, prepared.state);  // measuring and planning have taken time
  const RunSetup setup = session.setup(prepared.profile);
  RunView view(setup.tasks, setup.cluster);
  const auto launcher = make_launcher(session, watch_of(session, view));
  const Waking waking = interrupts.wakes(*launcher);
  const double interval = session.workload.run.introspection_interval_seconds;
  const Seconds solve_limit(std::min(session.workload.plan.time_limit_seconds,
                                     interval > 0 ? interval * kSolveShare : kSolveSeconds));
  bool first = true;
  const auto profile = [&] {
    return std::exchange(first, false) ? prepared.profile
                                       : changed_profile(session.directory, prepared.profile, view);
  };
  BackgroundIntrospector introspector(profile, solve_limit, [&] { launcher->wake(); });
  const auto store = make_directory_store(session.directory, journal);
  SteadyClock clock;
  const auto requests = make_directory_requests(session.directory);
  SessionTrials trials(session, options, interrupts, *launcher, clock);
  Executor executor(
      setup, prepared.plan, prepared.state,
      {*launcher, clock, *store, view, interrupts.interrupt(), &introspector, requests.get(), &trials});
  const RunEnd end = executor.run();
  view.finish(executor.state(), executor.plan());
  prepared.state = executor.state();
  session.workload.tasks = executor.setup().tasks;
  return end;
}

void report(const Session& session, const RunState& state, const std::vector<Record>& records,
            const CommonOptions& options) {
  const RunSummary summary = summarize(session.directory, session.workload.tasks, state, account(records));
  const Style style = style_of(STDOUT_FILENO);
  print(options.json ? to_json(summary).dump(2) + "\n"
                     : leaderboard(summary, style) + "\n" + run_report(summary, style));
}

struct LookCount {
  int all = 0;
  int changes = 0;
};
LookCount count_looks(const std::vector<Record>& records) {
  LookCount count;
  for (const Record& record : records) {
    const auto* adopted = std::get_if<PlanAdopted>(&record);
    const bool changed = adopted != nullptr && adopted->reason != "first plan";
    count.changes += changed;
    count.all += changed || std::holds_alternative<PlanKept>(record);
  }
  return count;
}

/// A run that leaves no trace.
int simulated_run(const Session& session, const Prepared& prepared, const SimulateOptions& command,
                  const CommonOptions& options) {
  const RunSetup setup = session.setup(prepared.profile);
  const Simulation simulation = simulation_of(command, setup);
  ManualClock clock;
  SimulationView view(clock);
  const SimulatedRun run = simulate(setup, prepared.profile, prepared.plan,
                                    next_session(prepared.state, setup.tasks), simulation, clock, view);
  const LookCount looks = count_looks(run.records);
  say(fmt::format("simulated; the plan was looked at {} time{} and changed {}", looks.all,
                  looks.all == 1 ? "" : "s", looks.changes));
  std::vector<Record> records = prepared.records;
  records.insert(records.end(), run.records.begin(), run.records.end());
  report(session, run.state, records, options);
  if (run.end == RunEnd::kOutOfBudget) say_that_budget_is_spent(session, run.state, session.workload.file);
  return exit_code(run.end);
}

/// A plan was named, or is in force, and everything that it needs is there.
Prepared prepare_run(Session& session, const std::optional<fs::path>& plan_file, const CommonOptions& options,
                     InterruptGuard& interrupts) {
  Prepared prepared = prepare(session, plan_file, options, interrupts);
  // Plans on the way go by what the plan was made for, which need not be what the workload says.
  if (plan_file && prepared.state.sessions == 0) session.workload.plan.objective = prepared.plan.objective;
  return prepared;
}

/// How a run came to its end.
struct Ended {
  int exit_code = 0;
  bool left = false;            ///< in time before the allocation ends
  std::int64_t kept_steps = 0;  ///< more than when it began
};

Ended train(Session& session, const std::optional<fs::path>& plan_file, const std::optional<Seconds>& ends_at,
            const RunCommand& command, const CommonOptions& options, InterruptGuard& interrupts) {
  const RunLock lock(session.directory);
  Prepared prepared = prepare_run(session, plan_file, options, interrupts);
  if (plan_file || prepared.replanned) replace_plan(session.directory.plan_file(), prepared.plan);
  write_file_atomically(session.directory.run_file(), to_text(prepared.run));
  say(plan_summary(prepared.plan));
  if (ends_at) say_how_far(prepared.plan, *ends_at - SteadyClock().now());
  const std::int64_t kept_before = kept_steps(prepared.state);
  const RunEnd end = execute(session, prepared, options, interrupts);
  const std::int64_t kept = kept_steps(prepared.state) - kept_before;
  report(session, prepared.state, read_journal(session.directory.journal_file()), options);
  if (end == RunEnd::kInterrupted) {
    say(fmt::format("stopped; the same command goes on: saturn run {}", command.target));
    return {interrupts.leaves() ? 0 : interrupts.exit_code(), interrupts.leaves(), kept};
  }
  if (end == RunEnd::kOutOfBudget) say_that_budget_is_spent(session, prepared.state, command.target);
  return {exit_code(end), false, kept};
}

RunOutcome outcome_of(const Session& session, int exit_code) {
  RunOutcome outcome{
      .exit_code = exit_code, .directory = session.directory.path, .workload_file = session.workload.file};
  RunState state;
  try {
    const fs::path journal = session.directory.journal_file();
    if (fs::exists(journal)) state = replay(read_journal(journal));
  } catch (const std::exception& error) {
    say(fmt::format("warning: run.on_finish is told of no task: {}", error.what()));
  }
  for (const TaskSpec& task : session.workload.tasks) {
    const TaskState* now = state.task(task.name);
    const auto phase = now == nullptr ? TaskState::Phase::kWaiting : now->phase;
    ++(phase == TaskState::Phase::kFinished ? outcome.finished
       : phase == TaskState::Phase::kFailed ? outcome.failed
                                            : outcome.left);
  }
  return outcome;
}

/// What the workload has run at the end. It may work on the run directory: nobody else does any more.
void finish(const Session& session, int exit_code, const InterruptGuard& interrupts) {
  const RunSettings& settings = session.workload.run;
  if (settings.on_finish.empty()) return;
  const FinishCommand command{settings.on_finish, session.workload.file.parent_path(),
                              Seconds(settings.on_finish_timeout_seconds)};
  const std::string wrong = run_on_finish(command, outcome_of(session, exit_code), interrupts.interrupt());
  if (!wrong.empty()) say(fmt::format("warning: run.on_finish: {}", wrong));
}

/// An allocation in which nothing was done would be followed by others like it.
void start_again(const Session& session, const Ended& ended) {
  if (ended.kept_steps <= 0) {
    throw SystemError("requeue", "Slurm job " + session.allocation->job.id,
                      "no task has kept a step in this allocation, and none would in the next",
                      "ask for more time, or see in the tasks' logs what took it");
  }
  say(fmt::format("Slurm job {} is requeued", session.allocation->job.id));
  requeue(*session.allocation);
}

/// `train` and what follows it, however it ends. Bad input has begun nothing.
int train_and_finish(Session& session, const std::optional<fs::path>& plan_file,
                     const std::optional<Seconds>& ends_at, const RunCommand& command,
                     const CommonOptions& options, InterruptGuard& interrupts) {
  Ended ended;
  try {
    ended = train(session, plan_file, ends_at, command, options, interrupts);
  } catch (const InputError&) {
    throw;
  } catch (const Interrupted&) {
    finish(session, interrupts.exit_code(), interrupts);
    throw;
  } catch (const std::exception&) {
    finish(session, kEnvironment, interrupts);
    throw;
  }
  finish(session, ended.exit_code, interrupts);
  if (ended.left && command.time_limit.requeue) start_again(session, ended);
  return ended.exit_code;
}

}  // namespace

int run_run(const RunCommand& command, const CommonOptions& options, InterruptGuard& interrupts) {
  std::optional<fs::path> plan_file;
  fs::path workload_file = command.target;
  if (workload_file.extension() == ".json") {
    plan_file = fs::absolute(workload_file);
    workload_file = workload_of(*plan_file);
  }
  Session session = open_session(workload_file, options);
  session.fail_fast = command.fail_fast;
  if (!command.dry_run && !command.simulate.on) {
    const auto ends_at = mind_time_limit(command.time_limit, session.allocation, interrupts);
    return train_and_finish(session, plan_file, ends_at, command, options, interrupts);
  }
  const Prepared prepared = prepare_run(session, plan_file, options, interrupts);
  if (command.simulate.on) return simulated_run(session, prepared, command.simulate, options);
  print(command_lines(session.setup(prepared.profile), prepared.plan, prepared.state));
  return 0;
}

}  // namespace saturn
