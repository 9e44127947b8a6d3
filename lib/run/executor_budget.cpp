// SPDX-License-Identifier: Apache-2.0
// The executor and the budget of the whole run: nothing outlasts it, and what is to end within it comes
// first.
#include <algorithm>
#include <fmt/format.h>
#include <limits>
#include <set>
#include <utility>

#include "run/executor.h"

namespace saturn {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

}  // namespace

/// What has been used, and what is spoken for.
Executor::BudgetUse Executor::budget_use() const {
  BudgetUse use{.device_seconds = state_.device_seconds};
  for (const auto& [gang, live] : live_) {
    const auto costs = setup_.costs.find(live.task);
    use.checkpoints[state_.tasks.at(live.task).gang->node] +=
        costs == setup_.costs.end() ? 0 : costs->second.checkpoint_seconds;
  }
  for (const auto& [id, live] : live_) {
    const GangStarted& gang = *state_.tasks.at(live.task).gang;
    const auto devices = static_cast<double>(device_count(gang));
    use.device_seconds += devices * (now() - gang.at);
    use.devices += devices;
    use.leaving +=
        devices * leave_seconds(setup_, live.task, live.speed.step_seconds(), use.checkpoints.at(gang.node));
  }
  if (setup_.budget.device_seconds == kNever) return use;
  for (const Assignment& line : plan_.assignments) {
    if (line.beyond_budget || state_.is_over(line.task)) continue;
    const TaskState* task = state_.task(line.task);
    const double gone = task != nullptr && task->holds_devices ? now() - task->gang->at : 0;
    // It may take longer than planned by what is not even looked at.
    use.reserved += static_cast<double>(device_count(line)) * std::max(0.0, line.duration_seconds - gone) *
                    (1 + setup_.settings.introspection_tolerance);
  }
  return use;
}

/// Of a gang that is started now, until it has come to train and has left.
double Executor::least_seconds(const Assignment& line, const BudgetUse& use) const {
  const auto known = setup_.costs.find(line.task);
  const GangCosts costs = known == setup_.costs.end() ? GangCosts{} : known->second;
  const auto others = use.checkpoints.find(line.node);
  const double checkpoints =
      costs.checkpoint_seconds + (others == use.checkpoints.end() ? 0 : others->second);
  return costs.startup_seconds + leave_seconds(setup_, line.task, 0, checkpoints);
}

/// Whether that is within the budget.
bool Executor::may_start(const Assignment& line, const BudgetUse& use) const {
  const double least = least_seconds(line, use);
  if (now() + least >= setup_.budget.seconds) return false;
  const double used = use.device_seconds + use.leaving + least * static_cast<double>(device_count(line));
  if (used >= setup_.budget.device_seconds) return false;
  return !line.beyond_budget || (!others_rest_ && used + use.reserved < setup_.budget.device_seconds);
}

/// Leaves those that may be started, all of them together.
void Executor::keep_within_budget(std::vector<const Assignment*>& lines) const {
  if (!setup_.budget.limited() || lines.empty()) return;
  BudgetUse use = budget_use();
  std::erase_if(lines, [&](const Assignment* line) {
    if (!may_start(*line, use)) return true;
    use.leaving += least_seconds(*line, use) * static_cast<double>(device_count(*line));
    return false;
  });
}

/// Gangs are told to leave so early that they are gone when the budget ends. With little device time left,
/// those that are not expected to end within it leave first.
void Executor::check_budget() {
  if (now() < next_budget_check_) return;
  const BudgetUse use = budget_use();
  if (use.reserved <= 0 && std::exchange(others_rest_, false)) stale_ = true;
  next_budget_check_ = kNever;
  std::set<std::string> beyond;
  for (const Assignment& line : plan_.assignments)
    if (line.beyond_budget) beyond.insert(line.task);
  const double left = setup_.budget.device_seconds - use.device_seconds - use.leaving;
  double beyond_devices = 0;
  for (auto& [id, live] : live_) {
    if (state_.is_over(live.task)) continue;  // it leaves by itself
    const GangStarted& gang = *state_.tasks.at(live.task).gang;
    const double leaving =
        leave_seconds(setup_, live.task, live.speed.step_seconds(), use.checkpoints.at(gang.node));
    const double leave_at = setup_.budget.seconds - leaving;
    const bool is_beyond = beyond.contains(live.task);
    if (is_beyond && left <= use.reserved) others_rest_ = true;
    if (is_beyond) beyond_devices += static_cast<double>(device_count(gang));
    if (now() >= leave_at || left <= 0) {
      end_budget();
      leave_for_budget(id, live);
    } else if (is_beyond && others_rest_) {
      leave_for_budget(id, live);
    } else {
      next_budget_check_ = std::min(next_budget_check_, leave_at);
    }
  }
  if (use.devices > 0 && left > 0)
    next_budget_check_ = std::min(next_budget_check_, now() + left / use.devices);
  if (beyond_devices > 0 && left > use.reserved)
    next_budget_check_ = std::min(next_budget_check_, now() + (left - use.reserved) / use.devices);
}

/// Nothing is started any more: what is left of it is what leaving takes.
void Executor::end_budget() {
  if (std::exchange(budget_ends_, true)) return;
  effects_.observer.message(
      "the budget of the run is nearly spent: every task writes a checkpoint and leaves");
}

void Executor::leave_for_budget(GangId gang, Live& live) {
  if (live.budget_ends) return;
  live.budget_ends = true;
  ask_to_leave(gang, live);
}

/// Nothing runs, and what is left may not begin any more.
bool Executor::budget_is_spent() {
  if (!setup_.budget.limited() || !work_is_left()) return false;
  const std::vector<const Assignment*> next = due(setup_, plan_, state_);
  if (next.empty()) return false;
  std::vector<const Assignment*> may = next;
  keep_within_budget(may);
  if (!may.empty()) return false;
  // A look may find a way that takes less device time; none takes less time than there is.
  const bool late = std::none_of(next.begin(), next.end(), [&](const Assignment* line) {
    return now() + leave_seconds(setup_, line->task, 0, 0) < setup_.budget.seconds;
  });
  budget_ends_ = late || !looks_.pending();
  return budget_ends_;
}

}  // namespace saturn
