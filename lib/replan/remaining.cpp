// SPDX-License-Identifier: Apache-2.0
#include "replan/remaining.h"

#include <algorithm>

#include "plan/make_problem.h"
#include "plan/pinned_lines.h"

namespace saturn {
namespace {

/// When a deadline has passed, as little time as possible is left.
constexpr double kLeastDeadline = 1e-3;

const TaskState* state_of(const RunState& state, const std::string& task) {
  const auto found = state.tasks.find(task);
  return found == state.tasks.end() ? nullptr : &found->second;
}

bool runs(const TaskState* task) {
  return task != nullptr && task->holds_devices && !task->over();
}

std::int64_t steps_left(const TaskSpec& task, const TaskState* state) {
  if (state == nullptr) return task.steps;
  const std::int64_t done = state->holds_devices ? std::max(state->live_step, state->step) : state->step;
  return std::max<std::int64_t>(0, task.steps - done);
}

/// A gang that stays: its one configuration, from now, without a start-up.
Configuration staying(const RemainingInputs& in, const TaskSpec& task, const TaskState& state,
                      double slowness) {
  const GangStarted& gang = *state.gang;
  Configuration configuration{.parallelism = gang.parallelism,
                              .knobs = gang.knobs,
                              .device_kind = in.setup.node(gang.node)->kind,
                              .devices = static_cast<int>(gang.devices.size())};
  const std::int64_t steps = steps_left(task, &state);
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
void take_gang(const RemainingInputs& in, ProblemTask& task, const TaskSpec& spec, const TaskState& state,
               double slowness) {
  const int node = node_index(in.setup.cluster, state.gang->node);
  const Configuration as_it_runs = staying(in, spec, state, slowness);
  if (is_pinned(in.current, task.name)) {
    task.configurations = {as_it_runs};
    task.pin = Pin{0, node, state.gang->devices, 0.0};
    return;
  }
  task.running = Running{node, state.gang->devices, as_it_runs};
  const double switching = switch_seconds(in, state);
  for (Configuration& configuration : task.configurations) configuration.duration_seconds += switching;
}

/// Pins of waiting tasks: where, not when (the start has moved with the run).
void keep_hand_pins(Problem& problem, const RemainingInputs& in) {
  Plan pins;
  pins.file = in.current.file;
  for (Assignment assignment : in.current.assignments) {
    const bool waits = std::any_of(problem.tasks.begin(), problem.tasks.end(), [&](const ProblemTask& task) {
      return task.name == assignment.task && !task.pin;
    });
    if (!assignment.pinned.any() || !waits) continue;
    if (assignment.pinned.start) assignment.pinned = PinnedParts::but_for_start();
    pins.assignments.push_back(assignment);
  }
  apply_pins(problem, pins);
}

}  // namespace

Problem remaining_problem(const RemainingInputs& in) {
  std::vector<TaskSpec> tasks;
  RemainingSteps remaining;
  for (const TaskSpec& task : in.setup.tasks) {
    const TaskState* state = state_of(in.state, task.name);
    if (state != nullptr && state->over()) continue;
    tasks.push_back(task);
    remaining[task.name] = steps_left(task, state);
  }
  Problem problem = make_problem(tasks, in.setup.cluster, in.profile, in.setup.settings, remaining);
  const auto slowness = observed_slowness(in.setup, in.profile, in.state);
  for (size_t i = 0; i < tasks.size(); ++i) {
    ProblemTask& task = problem.tasks[i];
    const TaskState* state = state_of(in.state, task.name);
    const double factor = slowness.at(task.name);
    for (Configuration& configuration : task.configurations) configuration.duration_seconds *= factor;
    if (runs(state)) take_gang(in, task, tasks[i], *state, factor);
  }
  keep_hand_pins(problem, in);
  problem.objective = in.setup.objective;
  problem.objective.deadline_seconds =
      std::max(kLeastDeadline, problem.objective.deadline_seconds - in.state.elapsed_seconds());
  return problem;
}

Plan projected_plan(const RemainingInputs& in, const Problem& problem) {
  Plan rest;
  rest.objective = problem.objective;
  for (const Assignment& assignment : in.current.assignments) {
    const TaskState* state = state_of(in.state, assignment.task);
    if (state != nullptr && state->over()) continue;
    Assignment line = assignment;
    line.start_known = line.duration_known = false;
    if (runs(state)) {
      line.parallelism = state->gang->parallelism;
      line.knobs = state->gang->knobs;
      line.node = state->gang->node;
      line.devices = state->gang->devices;
    }
    rest.assignments.push_back(line);
  }
  // What runs already comes first, whatever the plan had meant.
  std::stable_partition(rest.assignments.begin(), rest.assignments.end(),
                        [&](const Assignment& a) { return runs(state_of(in.state, a.task)); });
  complete(problem, rest);
  return rest;
}

double projected_seconds(const RemainingInputs& in, const Problem& problem) {
  return projected_plan(in, problem).makespan_seconds;
}

}  // namespace saturn
