// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fmt/format.h>
#include <optional>
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

namespace saturn {
namespace {

namespace fs = std::filesystem;

Plan solve_remaining(const Session& session, const Profile& profile, const RunState& state,
                     const Plan& current, InterruptGuard& interrupts) {
  const RunSetup setup = session.setup(profile);
  const Problem problem = remaining_problem({setup, profile, state, current});
  return plan_rest(session, profile, problem, current, interrupts);
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
  return std::all_of(tasks.begin(), tasks.end(), [&](const TaskSpec& task) {
    const auto found = state.tasks.find(task.name);
    return found != state.tasks.end() && found->second.over();
  });
}

}  // namespace

int run_replan(const ReplanCommand& command, const CommonOptions& options, InterruptGuard& interrupts) {
  const RunDirectory directory{fs::absolute(command.directory).lexically_normal()};
  require_run_directory(command.directory);
  const RunLock lock(directory);
  const RunIdentity before = read_run_identity(directory);
  Session session = open_session(command.workload.empty() ? before.workload_file : command.workload, options);
  session.directory = directory;
  const RunState past = replay(read_journal(directory.journal_file()));
  require_continuable(session);
  const RunState state = next_session(past, session.workload.tasks);
  if (nothing_left(state, session.workload.tasks)) {
    say("nothing is left to plan: every task has ended; the plan stays as it is");
    return 0;
  }
  const Profile profile = make_profile(session, options, {directory.profile_file()}, interrupts);
  const Plan current = read_plan(directory.plan_file());
  const Plan plan = solve_remaining(session, profile, state, current, interrupts);
  for (const std::string& line : differences(before, {session.workload.file, session.workload.tasks}))
    say(line);
  print(options.json ? to_text(plan) : compare_plans(current, plan, style_of(STDOUT_FILENO)));
  if (command.dry_run) return 0;
  const RunSetup setup = session.setup(profile);
  const double before_seconds = seconds_left({setup, profile, state, current});
  replace_plan(directory.plan_file(), plan);
  write_file_atomically(directory.run_file(),
                        to_text(RunIdentity{session.workload.file, session.workload.tasks}));
  record_plan(directory, before_seconds, plan);
  say(how_to_go_on(session));
  return 0;
}

}  // namespace saturn
