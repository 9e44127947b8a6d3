// SPDX-License-Identifier: Apache-2.0
#include "replan/remaining.h"

#include <algorithm>
#include <set>

#include "plan/make_problem.h"
#include "plan/pinned_lines.h"
#include "replan/standing_devices.h"
#include "run/halving.h"

namespace saturn {
namespace {

/// When a deadline has passed, as little time as possible is left.
constexpr double kLeastDeadline = 1e-3;

/// Its gang loses nothing of what it has done; one that has lost a device does.
bool keeps_progress(const RemainingInputs& in, const TaskState* task) {
  if (task == nullptr || !task->holds_devices || task->over()) return false;
  if (task->phase == TaskState::Phase::kPaused) return false;  // it is leaving
  return !any_device(*task->gang, [&](const std::string& node, int device) {
    return in.state.lost.contains({node, device});
  });
}

/// Its gang goes on if nobody stops it. One that the plan has elsewhere was told to leave.
bool runs(const RemainingInputs& in, const TaskState* task) {
  if (!keeps_progress(in, task)) return false;
  const auto& lines = in.current.assignments;
  return std::none_of(lines.begin(), lines.end(), [&](const Assignment& line) {
    return line.task == task->gang->task && !same_place(*task->gang, line);
  });
}

/// What ran out of memory does so for every task of the same speed signature.
Profile without_ruled_out(const RemainingInputs& in) {
  Profile profile = in.profile;
  for (const auto& [name, state] : in.state.tasks) {
    const TaskSpec* task = in.setup.task(name);
    if (task == nullptr || state.ruled_out.empty()) continue;
    const std::string signature = speed_signature(*task);
    for (const ConfigurationRuledOut& out : state.ruled_out) {
      for (Trial& trial : profile.trials) {
        if (trial.signature == signature && trial.parallelism == out.parallelism &&
            trial.knobs == out.knobs && trial.devices == out.devices && trial.nodes == out.nodes &&
            trial.device_kind == out.device_kind)
          trial.outcome = OutOfMemory{out.why + " (in the run)"};
      }
    }
  }
  order_trials(profile.trials);
  return profile;
}

/// `goes_on`: from where its gang is; else from its checkpoint.
std::int64_t steps_left(const RemainingInputs& in, const TaskSpec& task, const TaskState* state,
                        bool goes_on) {
  const std::int64_t all = planned_steps(in.setup.settings.halving, task, state);
  if (state == nullptr) return all;
  const std::int64_t done = goes_on ? std::max(state->live_step, state->step) : state->step;
  return std::max<std::int64_t>(0, all - done);
}

/// A gang that stays: its one configuration, from now, without a start-up.
Configuration staying(const RemainingInputs& in, const TaskSpec& task, const TaskState& state,
                      double slowness) {
  const GangStarted& gang = *state.gang;
  Configuration configuration{.parallelism = gang.parallelism,
                              .knobs = gang.knobs,
                              .device_kind = in.setup.node(gang.node)->kind,
                              .devices = static_cast<int>(device_count(gang)),
                              .nodes = node_count(gang)};
  const std::int64_t steps = steps_left(in, task, &state, true);
  if (const Measured* measured = measured_for(in.setup, in.profile, gang)) {
    Measured rest = *measured;
    if (state.phase == TaskState::Phase::kTraining) rest.startup_seconds = 0;
    configuration.duration_seconds = slowness * duration_seconds(task, rest, in.setup.settings, steps);
  } else {
    configuration.duration_seconds = static_cast<double>(steps) * state.step_seconds;
  }
  return configuration;
}

int node_index(const Cluster& cluster, const std::string& name) {
  const auto found = std::find_if(cluster.nodes.begin(), cluster.nodes.end(),
                                  [&](const Node& node) { return node.name == name; });
  return static_cast<int>(found - cluster.nodes.begin());
}

bool is_pinned(const Plan& current, const std::string& task) {
  return std::any_of(current.assignments.begin(), current.assignments.end(),
                     [&](const Assignment& line) { return line.pinned.any() && line.task == task; });
}

double switch_seconds(const RemainingInputs& in, const TaskState& state) {
  const Measured* measured = measured_for(in.setup, in.profile, *state.gang);
  return measured == nullptr ? 0 : measured->checkpoint_seconds;  // the start-up is in every duration already
}

/// The gang stays, or moves and pays for it; one that is pinned by hand has no choice.
void take_gang(const RemainingInputs& in, const StandingDevices& standing, ProblemTask& task,
               const TaskSpec& spec, const TaskState& state, double slowness) {
  const int node = node_index(standing.cluster(), state.gang->node);
  const std::vector<int> devices = standing.numbered(state.gang->node, state.gang->devices);
  std::vector<GangPart> further;
  for (const NodeDevices& part : state.gang->further)
    further.push_back(
        {node_index(standing.cluster(), part.node), standing.numbered(part.node, part.devices)});
  const Configuration as_it_runs = staying(in, spec, state, slowness);
  if (is_pinned(in.current, task.name)) {
    task.configurations = {as_it_runs};
    task.pin = Pin{0, node, devices, 0.0, {}, further};
    return;
  }
  task.running = Running{node, devices, as_it_runs, further};
  const double switching = switch_seconds(in, state);
  for (Configuration& configuration : task.configurations) configuration.duration_seconds += switching;
}

/// Pins of waiting tasks: where, not when (the start has moved with the run).
void keep_hand_pins(Problem& problem, const RemainingInputs& in, const StandingDevices& standing) {
  Plan pins;
  pins.file = in.current.file;
  for (Assignment assignment : in.current.assignments) {
    const bool waits = std::any_of(problem.tasks.begin(), problem.tasks.end(), [&](const ProblemTask& task) {
      return task.name == assignment.task && !task.pin;
    });
    // Where a pin leads to what is lost it gives way: the task is worth more than its place.
    if (!assignment.pinned.any() || !waits || !is_possible(in.setup, assignment, in.state)) continue;
    standing.number(assignment);
    if (assignment.pinned.start) assignment.pinned = PinnedParts::but_for_start();
    pins.assignments.push_back(assignment);
  }
  apply_pins(problem, pins);
}

}  // namespace

Remaining remaining_work(const RemainingInputs& in) {
  const StandingDevices standing(in.setup.cluster, in.state.lost);
  const Profile ways = without_ruled_out(in);
  Remaining remaining;
  std::vector<TaskSpec> tasks;
  std::vector<TaskSpec> movable;
  RemainingSteps steps;
  for (const TaskSpec& task : in.setup.tasks) {
    const TaskState* state = in.state.task(task.name);
    if (state != nullptr && (state->over() || state->phase == TaskState::Phase::kPaused)) continue;
    const std::string why = why_impossible(task, standing.cluster(), ways);
    if (!why.empty() && !runs(in, state)) {
      remaining.stranded[task.name] = why;
      continue;
    }
    tasks.push_back(task);
    if (why.empty()) movable.push_back(task);
    steps[task.name] = steps_left(in, task, state, keeps_progress(in, state));
  }
  Problem& problem = remaining.problem;
  problem = make_problem(movable, standing.cluster(), ways, in.setup.settings, steps);
  // A gang may run in a way that its twins ran out of memory in, or that would not fit any more: it can stay.
  for (size_t i = 0; i < tasks.size(); ++i)
    if (i == problem.tasks.size() || problem.tasks[i].name != tasks[i].name)
      problem.tasks.insert(problem.tasks.begin() + static_cast<std::ptrdiff_t>(i), {.name = tasks[i].name});
  const auto slowness = observed_slowness(in.setup, in.profile, in.state);
  for (size_t i = 0; i < tasks.size(); ++i) {
    ProblemTask& task = problem.tasks[i];
    const TaskState* state = in.state.task(task.name);
    const double factor = slowness.at(task.name);
    for (Configuration& configuration : task.configurations) configuration.duration_seconds *= factor;
    if (runs(in, state)) take_gang(in, standing, task, tasks[i], *state, factor);
  }
  keep_hand_pins(problem, in, standing);
  problem.budget = budget_left(in.setup, in.state);
  problem.objective = in.setup.objective;
  problem.objective.deadline_seconds =
      std::max(kLeastDeadline, problem.objective.deadline_seconds - in.state.elapsed_seconds());
  return remaining;
}

Problem remaining_problem(const RemainingInputs& in) {
  Remaining remaining = remaining_work(in);
  std::vector<Diagnostic> errors;
  for (const auto& [task, why] : remaining.stranded) errors.push_back({"", 0, 0, why, ""});
  if (!errors.empty()) throw InputError(std::move(errors));
  return std::move(remaining.problem);
}

Plan projected_plan(const RemainingInputs& in, const Problem& problem) {
  const StandingDevices standing(in.setup.cluster, in.state.lost);
  std::set<std::string> left;
  for (const ProblemTask& task : problem.tasks) left.insert(task.name);
  Plan rest;
  rest.objective = problem.objective;
  rest.budget = problem.budget;
  for (const Assignment& assignment : in.current.assignments) {
    if (!left.contains(assignment.task)) continue;
    const TaskState* state = in.state.task(assignment.task);
    Assignment line = assignment;
    line.start_known = line.duration_known = false;
    if (runs(in, state)) {
      line.parallelism = state->gang->parallelism;
      line.knobs = state->gang->knobs;
      line.node = state->gang->node;
      line.devices = state->gang->devices;
      line.further = state->gang->further;
    }
    standing.number(line);
    rest.assignments.push_back(line);
  }
  // What runs already comes first, whatever the plan had meant.
  std::stable_partition(rest.assignments.begin(), rest.assignments.end(),
                        [&](const Assignment& a) { return runs(in, in.state.task(a.task)); });
  complete(problem, rest);
  return rest;
}

double projected_seconds(const RemainingInputs& in, const Problem& problem) {
  return projected_plan(in, problem).makespan_seconds;
}

Plan in_cluster(const RemainingInputs& in, Plan plan) {
  const StandingDevices standing(in.setup.cluster, in.state.lost);
  for (Assignment& line : plan.assignments) {
    line.devices = standing.original(line.node, line.devices);
    for (NodeDevices& part : line.further) part.devices = standing.original(part.node, part.devices);
  }
  return plan;
}

}  // namespace saturn
