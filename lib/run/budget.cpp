// SPDX-License-Identifier: Apache-2.0
#include "run/budget.h"

#include <algorithm>
#include <cmath>

#include "run/gang.h"

namespace saturn {
namespace {

constexpr double kSecondsPerHour = 3600;
/// What leaving takes may be so much longer than it was measured,
constexpr double kLeaveFactor = 1.2;
/// and processes have to end, too.
constexpr double kLeaveSeconds = 1;

bool validates_on_the_way(const TaskSpec& task, const RunSettings& settings) {
  return task.validate_every_steps > 0 || !settings.halving.rungs.empty();
}

}  // namespace

std::map<std::string, GangCosts> gang_costs(const std::vector<TaskSpec>& tasks, const RunSettings& settings,
                                            const Profile& profile) {
  std::map<std::string, GangCosts> of_signature;
  for (const Trial& trial : profile.trials) {
    const auto* measured = std::get_if<Measured>(&trial.outcome);
    if (measured == nullptr) continue;
    GangCosts& costs = of_signature[trial.signature];
    costs.startup_seconds = std::max(costs.startup_seconds, measured->startup_seconds);
    costs.step_seconds = std::max(costs.step_seconds, measured->step_seconds);
    costs.validation_seconds = std::max(costs.validation_seconds, measured->validation_seconds);
    costs.checkpoint_seconds = std::max(costs.checkpoint_seconds, measured->checkpoint_seconds);
  }
  std::map<std::string, GangCosts> costs;
  for (const TaskSpec& task : tasks) {
    const auto found = of_signature.find(speed_signature(task));
    if (found == of_signature.end()) continue;
    GangCosts& own = costs[task.name] = found->second;
    if (!validates_on_the_way(task, settings)) own.validation_seconds = 0;
  }
  return costs;
}

double leave_seconds(const RunSetup& setup, const std::string& task, double step_seconds,
                     double checkpoint_seconds) {
  const auto found = setup.costs.find(task);
  if (found == setup.costs.end()) return setup.settings.stop_grace_seconds;
  const GangCosts& costs = found->second;
  const double checkpoints = std::max(checkpoint_seconds, costs.checkpoint_seconds);
  return kLeaveSeconds +
         kLeaveFactor * (std::max(step_seconds, costs.step_seconds) + costs.validation_seconds + checkpoints);
}

Budget session_budget(const BudgetSettings& settings, const RunState& state, double session_start) {
  Budget budget;
  const double first_start = state.began_at.value_or(session_start);
  budget.seconds = deadline_at(settings, first_start) - session_start;
  if (settings.device_hours > 0) budget.device_seconds = settings.device_hours * kSecondsPerHour;
  return budget;
}

double used_device_seconds(const RunState& state, double now) {
  double used = state.device_seconds;
  for (const auto& [name, task] : state.tasks) {
    if (task.holds_devices)
      used += std::max(0.0, now - task.gang->at) * static_cast<double>(device_count(*task.gang));
  }
  return used;
}

Budget budget_left(const RunSetup& setup, const RunState& state) {
  if (!setup.budget.limited()) return {};
  size_t widest = 1;
  for (const Node& node : setup.cluster.nodes) widest = std::max(widest, node.devices.size());
  double checkpoint = 0;
  for (const auto& [name, costs] : setup.costs) checkpoint = std::max(checkpoint, costs.checkpoint_seconds);
  const auto gangs = static_cast<double>(std::min(widest, setup.tasks.size()));
  double leaving = 0;
  for (const auto& [name, costs] : setup.costs)
    leaving = std::max(leaving, leave_seconds(setup, name, 0, gangs * checkpoint));
  const double now = state.session_seconds;
  return {
      setup.budget.seconds - now - leaving,
      setup.budget.device_seconds - used_device_seconds(state, now) - static_cast<double>(widest) * leaving};
}

}  // namespace saturn
