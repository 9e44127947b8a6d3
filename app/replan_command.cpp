// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <optional>
#include <thread>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "cluster/cluster_change.h"
#include "commands.h"
#include "output.h"
#include "plan/make_problem.h"
#include "planning.h"
#include "replan/remaining.h"
#include "report/plan_report.h"
#include "report/style.h"
#include "run/continuation.h"
#include "run/journal.h"
#include "run/requests.h"
#include "workload/settings_reader.h"
#include "workload/yaml.h"

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
                  before.added, before.cluster};
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

/// Empty when it is gone: what is left is planned all the same.
Plan plan_in_force(const RunDirectory& directory) {
  return fs::exists(directory.plan_file()) ? read_plan(directory.plan_file()) : Plan{};
}

/// What both ways of replanning start from.
struct Change {
  RunIdentity before;
  RunIdentity run;
  Session session;
  std::optional<ClusterChange> cluster{};  ///< of the session's, which it is then; empty: it stays
};

void say_differences(const Change& change) {
  for (const std::string& line : differences(change.before, change.run)) say(line);
  if (!change.cluster) return;
  for (const std::string& line : to_lines(*change.cluster)) say(line);
}

/// The text of --cluster, as the value of a workload's key. Errors: InputError.
ClusterSpec read_cluster_text(const std::string& text) {
  Document document = parse_yaml("--cluster", text);
  Value map{.kind = Value::Kind::kMap, .mark = document.root.mark};
  map.members.push_back({"cluster", document.root.mark, document.root});
  document.root = std::move(map);
  Diagnostics diagnostics(document);
  MapReader reader(document.root, "", diagnostics);
  ClusterSpec spec = read_cluster(reader);
  diagnostics.throw_if_any();
  return spec;
}

/// The session is of the cluster that is asked for. What was before may not be there any more.
void take_cluster(Change& change, const std::string& text) {
  Session& session = change.session;
  const ClusterSpec own = session.workload.cluster;
  Cluster before;
  try {
    use_cluster(session, session.given_cluster.value_or(own));
    before = session.cluster;
  } catch (const InputError&) {
    // All of what there is now is new then.
  }
  if (text == "workload") {
    use_cluster(session, own);
    change.run.cluster.reset();
  } else {
    const ClusterSpec spec = read_cluster_text(text);
    try {
      use_cluster(session, with_shapes_of(before, spec));
    } catch (const InputError&) {
      use_cluster(session, spec);  // as many are not to be had of that shape
    }
    change.run.cluster = session.workload.cluster;
  }
  change.cluster = change_cluster(before, {}, session.cluster);
}

/// Figures of the cluster before stand in for those that are missing of this one.
Profile with_figures_of(const Profile& before, Profile known) {
  add_rows(known, before.trials);
  known.trials_key.clear();  // trials are missing: the next session measures them
  return known;
}

/// What is known of the tasks while the devices are in use. Trials are measured with all neighbours at work,
/// so that of a cluster that changes none is; while its devices have the shape of those before, what was
/// measured on these is planned with, as long as every task can be run. Errors: InputError.
Profile measured_profile(const Change& change, const RunState& state, const CommonOptions& options,
                         InterruptGuard& interrupts) {
  const Session& session = change.session;
  KnownTrials known = known_trials_of(session, options, interrupts);
  if (known.missing.empty()) return std::move(known.profile);
  if (!change.cluster || !change.cluster->replaced.empty()) throw not_measured(known.missing);
  Profile profile = with_figures_of(read_profile(session.directory.profile_file()), std::move(known.profile));
  const bool enough = std::all_of(change.run.tasks.begin(), change.run.tasks.end(), [&](const auto& task) {
    return state.is_over(task.name) || why_impossible(task, session.cluster, profile).empty();
  });
  if (!enough) throw not_measured(known.missing);
  say("warning: what is left is planned with what was measured on the devices before; what is missing is "
      "measured when the run is stopped and started again");
  return profile;
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
  const Plan current = plan_in_force(directory);
  const Plan plan = solve_remaining(session, profile, state, current, interrupts);
  say_differences(change);
  print_plan(current, plan, options);
  if (command.dry_run) return 0;
  const RunSetup setup = session.setup(profile);
  const double before_seconds =
      current.assignments.empty() ? 0 : seconds_left({setup, profile, state, current});
  replace_plan(directory.plan_file(), plan);
  write_file_atomically(directory.run_file(), to_text(change.run));
  record_plan(directory, before_seconds, plan);
  say(how_to_go_on(session));
  return 0;
}

/// How often the plan was looked at when the run had measured what came in; empty: it has not within the
/// time.
std::optional<int> looks_when_measured(const RunDirectory& directory, int measurings_before,
                                       Seconds patience) {
  const SteadyClock clock;
  const Seconds deadline = clock.now() + patience;
  while (clock.now() < deadline && in_use(directory)) {
    RunState state;
    for (const Record& record : read_journal(directory.journal_file())) {
      apply(state, record);
      if (state.measurings > measurings_before) return state.looks();
    }
    if (state.measuring.empty()) return {};  // there are no devices for it
    std::this_thread::sleep_for(kPollEvery);
  }
  return {};
}

/// The plan that the run goes on by after the change, when it has one within the time.
std::optional<Plan> next_plan(const RunDirectory& directory, int looks_before) {
  const SteadyClock clock;
  const Seconds deadline = clock.now() + kPatience;
  while (clock.now() < deadline && in_use(directory)) {
    if (replay(read_journal(directory.journal_file())).looks() > looks_before)
      return read_plan(directory.plan_file());
    std::this_thread::sleep_for(kPollEvery);
  }
  return {};
}

/// Until all trials have come to an end, one after another, and what runs has made room for them.
Seconds measuring_patience(const Workload& workload, size_t trials) {
  return kPatience + Seconds(workload.run.stop_grace_seconds +
                             static_cast<double>(trials) * workload.profile.trial_timeout_seconds);
}

int change_running(const Change& change, const KnownFigures& known, const Plan& current,
                   const RunState& before, const CommonOptions& options) {
  const RunDirectory& directory = change.session.directory;
  const Profile& profile = known.profile;
  write_profile(directory.profile_file(), profile);
  const std::string id = fmt::format("{} {}", utc_timestamp(), ::getpid());
  RunChange asked{id, change.run, change.session.setup(profile).tasks, {}};
  if (change.cluster) asked.cluster = change.session.cluster;
  asked.budget = change.session.workload.run.budget;
  const auto answer = ask_run(directory, asked, SteadyClock(), kPatience);
  if (!answer) {
    throw SystemError("reach", "the run in " + directory.path.string(), "it does not answer",
                      "when it has ended, the same command changes what is left of it");
  }
  if (!answer->taken) throw InputError(answer->text);
  say(answer->text);
  if (answer->text == kNothingChanged) return 0;
  std::optional<int> looks_before = answer->looks;
  if (!known.missing.trials.empty())
    looks_before =
        looks_when_measured(directory, before.measurings,
                            measuring_patience(change.session.workload, known.missing.trials.size()));
  if (!looks_before) return 0;
  if (const auto plan = next_plan(directory, *looks_before)) print_plan(current, *plan, options);
  return 0;
}

/// What the run will refuse anyway, with its place. Errors: InputError.
void require_unchanged_where_begun(const Change& change, const RunState& state) {
  std::vector<Diagnostic> errors;
  for (const TaskSpec& before : change.before.tasks) {
    const TaskState* now = state.task(before.name);
    if (now == nullptr || now->starts == 0) continue;
    for (const TaskSpec& task : change.run.tasks) {
      if (task.name != before.name) continue;
      const std::string wrong = forbidden_change(before, task);
      if (wrong.empty()) continue;
      errors.push_back({change.session.workload.file, task.mark.line, task.mark.column,
                        wrong + " after it was started: give it another name to train it anew", ""});
    }
  }
  if (!errors.empty()) throw InputError(std::move(errors));
}

/// Of a cluster that changes nothing is measured while the run goes on. Errors: InputError, SystemError.
KnownFigures figures_of(const Change& change, const RunState& state, const CommonOptions& options,
                        InterruptGuard& interrupts) {
  if (change.cluster)
    return {.all = {}, .profile = measured_profile(change, state, options, interrupts), .missing = {}};
  return known_figures(change.session, change.session.workload.tasks, options, interrupts);
}

void say_what_is_missing(const KnownFigures& known) {
  if (known.missing.trials.empty()) return;
  std::vector<std::string> names;
  for (const PlannedTrial& trial : known.missing.trials)
    names.push_back(fmt::format("{} {} on {} device{}", trial.task->name, trial.parallelism.name,
                                trial.devices, trial.devices == 1 ? "" : "s"));
  say(
      fmt::format("{} trial{} not been measured; the run measures {} first, on the devices of a node, whose "
                  "tasks write a checkpoint for that and go on afterwards:\n    {}",
                  known.missing.trials.size(), known.missing.trials.size() == 1 ? " has" : "s have",
                  known.missing.trials.size() == 1 ? "it" : "them", fmt::join(names, "\n    ")));
}

int replan_running(const ReplanCommand& command, Change& change, const CommonOptions& options,
                   InterruptGuard& interrupts) {
  Session& session = change.session;
  require_continuable(session);
  RunState state = replay(read_journal(session.directory.journal_file()));
  require_unchanged_where_begun(change, state);
  set_budget_under_way(session, state);
  const KnownFigures known = figures_of(change, state, options, interrupts);
  say_what_is_missing(known);
  const Plan current = plan_in_force(session.directory);
  if (!command.dry_run) return change_running(change, known, current, state, options);
  say_differences(change);
  if (!known.missing.trials.empty()) return 0;  // only with their times there is a plan to show
  const Profile& profile = known.profile;
  if (change.cluster) {
    session.cluster = change.cluster->cluster;
    for (const auto& [node, devices] : change.cluster->removed)
      apply(state, DevicesWentAway{state.session_seconds, node, devices, ""});
  }
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
  const std::string workload = command.workload.empty() ? change.before.workload_file : command.workload;
  change.session = open_without_cluster(workload, options, directory);
  change.run = changed_run(change.session, change.before, command);
  Session& session = change.session;
  if (command.cluster) {
    take_cluster(change, *command.cluster);
  } else {
    use_cluster(session, session.given_cluster.value_or(session.workload.cluster));
  }
  session.workload.tasks = change.run.tasks;
  check_parallelisms(change.session.workload, change.session.manifests);
  return goes_on ? replan_running(command, change, options, interrupts)
                 : replan_stopped(command, change, options, interrupts);
}

}  // namespace saturn
