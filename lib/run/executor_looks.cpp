// SPDX-License-Identifier: Apache-2.0
// The executor and the plan: when it is made anew, and what is done about a proposal.
#include <algorithm>
#include <fmt/format.h>
#include <limits>
#include <set>
#include <utility>

#include "plan/within_budget.h"
#include "run/executor.h"

namespace saturn {
namespace {

const Assignment* assignment_of(const Plan& plan, const std::string& task) {
  for (const Assignment& assignment : plan.assignments) {
    if (assignment.task == task) return &assignment;
  }
  return nullptr;
}

/// How many tasks are expected to end within the budget, when not all are.
std::string budget_note(const Plan& plan) {
  const size_t ends = ending_within(plan, plan.budget).size();
  if (!plan.budget.limited() || ends == plan.assignments.size()) return "";
  return fmt::format(", and {} of {} tasks end within the budget", ends, plan.assignments.size());
}

}  // namespace

void Executor::want_look(std::string reason) {
  if (setup_.settings.introspection_interval_seconds > 0) plan_again(std::move(reason));
}

/// Also where introspection is off: there is other work left than was planned.
void Executor::plan_again(std::string reason) {
  if (effects_.introspector != nullptr) looks_.want(std::move(reason));
}

void Executor::need_look(std::string reason) {
  if (effects_.introspector != nullptr) looks_.need(std::move(reason));
}

void Executor::introspect() {
  if (effects_.introspector == nullptr || is_ending()) return;
  const auto proposal = effects_.introspector->take();
  if (proposal && !looks_.is_urgent()) take(*proposal);
  const auto reason = looks_.begin(now());
  if (!reason) return;
  if (!work_is_left()) return looks_.end();
  gangs_at_look_ = gangs_;
  effects_.introspector->consider(setup_, state_, plan_, *reason);
}

void Executor::take(const Proposal& proposal) {
  const bool is_outdated = proposal.plan && outdated(*proposal.plan);
  looks_.end();
  if (state_.measuring.empty() && !lent_.nodes.empty()) {
    lent_.nodes.clear();
    stale_ = true;
  }
  if (!proposal.failure.empty() && proposal.failure != last_warning_) {
    last_warning_ = proposal.failure;
    effects_.observer.message("warning: the plan stays as it is: what is left could not be planned: " +
                              proposal.failure);
  }
  for (const auto& [task, why] : proposal.stranded) {
    if (!state_.measuring.empty()) break;  // what is measured now may be among them
    if (stranded_.insert_or_assign(task, why).second)
      effects_.observer.message(fmt::format("warning: {}; it waits for devices to come back", why));
  }
  if (!proposal.failure.empty()) return;
  if (proposal.plan && !is_outdated) return adopt(proposal);
  const char* outdated = is_outdated ? "; outdated: it moves a gang that was started meanwhile" : "";
  record(PlanKept{now(), proposal.reason + outdated, proposal.remaining_seconds_before,
                  proposal.remaining_seconds_after});
  if (is_outdated && proposal.remaining_seconds_before <= 0) looks_.need(proposal.reason);
}

/// It would move a gang that was started while it was solved: it has not counted what that costs. The next
/// look will.
bool Executor::outdated(const Plan& plan) const {
  return std::any_of(live_.begin(), live_.end(), [&](const auto& entry) {
    const TaskState& task = state_.tasks.at(entry.second.task);
    const Assignment* assignment = assignment_of(plan, entry.second.task);
    return !task.over() && assignment != nullptr && entry.second.number >= gangs_at_look_ &&
           !same_place(*task.gang, *assignment);
  });
}

void Executor::adopt(const Proposal& proposal) {
  // What has ended while it was solved needs no place any more; but the next session tries again what failed,
  // and devices may come back for what nothing can run now.
  Plan next = *proposal.plan;
  std::erase_if(next.assignments, [&](const Assignment& a) { return state_.is_over(a.task); });
  std::set<std::string> planned;
  for (const Assignment& line : next.assignments) planned.insert(line.task);
  for (const Assignment& line : plan_.assignments) {
    const bool failed = state_.tasks[line.task].phase == TaskState::Phase::kFailed;
    const bool wanted = setup_.task(line.task) != nullptr && (failed || !state_.is_over(line.task));
    if (wanted && !planned.contains(line.task)) next.assignments.push_back(line);
  }
  effects_.store.keep(next);
  keep_plan_at_ = std::numeric_limits<double>::infinity();
  record(PlanAdopted{now(), proposal.reason, proposal.remaining_seconds_before,
                     proposal.remaining_seconds_after});
  plan_ = std::move(next);
  const std::string after = to_text_duration(Seconds(proposal.remaining_seconds_after));
  effects_.observer.message(
      proposal.remaining_seconds_before > 0
          ? fmt::format("a better plan for what is left ({}): {} instead of {}{}", proposal.reason, after,
                        to_text_duration(Seconds(proposal.remaining_seconds_before)), budget_note(plan_))
          : fmt::format("another plan for what is left ({}): {}{}", proposal.reason, after,
                        budget_note(plan_)));
  for (auto& [gang, live] : live_) {
    const TaskState& task = state_.tasks[live.task];
    const Assignment* assignment = assignment_of(plan_, live.task);
    if (task.over() || assignment == nullptr || same_place(*task.gang, *assignment)) continue;
    ask_to_leave(gang, live);
  }
}

}  // namespace saturn
