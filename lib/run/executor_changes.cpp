// SPDX-License-Identifier: Apache-2.0
// The executor and `saturn replan`: changes of the tasks and the cluster while they run.
#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/error.h"
#include "cluster/cluster_change.h"
#include "cluster/slurm_cluster.h"
#include "run/budget.h"
#include "run/continuation.h"
#include "run/executor.h"

namespace saturn {
namespace {

constexpr double kRequestsEverySeconds = 0.5;

/// Gangs are started by one launcher as long as the run goes on. Empty: it can reach them all.
std::string out_of_reach(const Cluster& own, const Cluster& wanted) {
  if (is_of_slurm_nodes(own) == is_of_slurm_nodes(wanted)) return "";
  if (is_of_slurm_nodes(own))
    return "the run is on the nodes of a Slurm allocation, and the cluster that is asked for is one "
           "machine's own: ask inside the allocation (srun --overlap --jobid=JOB saturn replan ...)";
  return "the run is on its own machine, and the cluster that is asked for is of a Slurm allocation's nodes: "
         "stop it, and start it again inside the allocation";
}

}  // namespace

void Executor::check_requests() {
  if (effects_.requests == nullptr || is_ending() || now() < next_request_check_) return;
  next_request_check_ = now() + kRequestsEverySeconds;
  const auto change = effects_.requests->take();
  if (!change) return;
  std::string wrong = refusal(*change);
  std::vector<LiveTrials::Need> needs;
  try {
    if (wrong.empty() && effects_.trials != nullptr && !change->cluster)
      needs = effects_.trials->needs(change->tasks, without(setup_.cluster, withdrawn_));
  } catch (const std::exception& error) {
    wrong = error.what();
  }
  const std::string text = wrong.empty() ? apply_change(*change, needs) : wrong;
  effects_.requests->answer({change->id, wrong.empty(), text, state_.looks()});
}

/// Why the change cannot be made while the run goes on; empty: it can.
std::string Executor::refusal(const RunChange& change) const {
  if (!state_.measuring.empty())
    return "the run is measuring tasks that came in: ask again when that has ended";
  std::string text;
  if (change.cluster) text = out_of_reach(setup_.cluster, *change.cluster);
  for (const TaskSpec& task : change.tasks) {
    const TaskSpec* before = setup_.task(task.name);
    const TaskState* state = state_.task(task.name);
    const bool begun = state != nullptr && state->starts > 0;
    const std::string wrong = begun && before != nullptr ? forbidden_change(*before, task) : "";
    if (!wrong.empty()) text += fmt::format("{}{} after it was started", text.empty() ? "" : "\n", wrong);
  }
  const double ends_at = change.budget ? new_budget(*change.budget).seconds : setup_.budget.seconds;
  if (ends_at <= now()) {
    text += fmt::format("{}run.budget: the deadline {} has passed", text.empty() ? "" : "\n",
                        change.budget->deadline_text);
  }
  return text;
}

/// As this session counts.
Budget Executor::new_budget(const BudgetSettings& settings) const {
  return session_budget(settings, state_, state_.session_began_at);
}

/// What has changed, a line.
std::vector<std::string> Executor::change_budget(const BudgetSettings& settings) {
  if (settings == setup_.settings.budget) return {};
  const auto text = [](const BudgetSettings& budget) {
    const std::string written = to_text(budget);
    return written.empty() ? "none" : written;
  };
  const std::string line = fmt::format("run.budget: {} -> {}", text(setup_.settings.budget), text(settings));
  setup_.settings.budget = settings;
  setup_.budget = new_budget(settings);
  next_budget_check_ = 0;
  return {line};
}

std::string Executor::apply_change(const RunChange& change, const std::vector<LiveTrials::Need>& needs) {
  std::vector<std::string> lines = change_tasks(change);
  if (change.cluster) {
    const std::vector<std::string> more = change_cluster(change);
    lines.insert(lines.end(), more.begin(), more.end());
  }
  if (change.budget) {
    const std::vector<std::string> more = change_budget(*change.budget);
    lines.insert(lines.end(), more.begin(), more.end());
  }
  if (lines.empty()) return kNothingChanged;
  if (effects_.introspector != nullptr) effects_.introspector->tasks_changed();
  const std::string text = fmt::format("{}", fmt::join(lines, "\n")) + lend_devices(needs);
  effects_.observer.message(text);
  need_look(fmt::format("{}", fmt::join(lines, "; ")));
  return text;
}

/// What has changed, a line each.
std::vector<std::string> Executor::change_tasks(const RunChange& change) {
  std::vector<std::string> lines = differences({"", setup_.tasks}, {change.run.workload_file, change.tasks});
  if (lines.empty()) return lines;
  TasksChanged changed{.at = now()};
  for (const TaskSpec& task : change.tasks) {
    const TaskSpec* before = setup_.task(task.name);
    if (before == nullptr) changed.added.push_back(task.name);
    if (before != nullptr && to_json(*before) != to_json(task)) changed.changed.push_back(task.name);
  }
  std::vector<TaskSpec> tasks = change.tasks;
  std::swap(setup_.tasks, tasks);
  for (const TaskSpec& task : tasks)
    if (setup_.task(task.name) == nullptr) changed.dropped.push_back(task.name);
  effects_.store.keep(change.run);
  record(changed);
  rungs_stale_ = true;
  std::set<std::string> names(changed.changed.begin(), changed.changed.end());
  names.insert(changed.added.begin(), changed.added.end());
  for (const std::string& task : tasks_to_reopen(setup_.tasks, state_))
    if (names.contains(task)) record(TaskReopened{now(), task});
  names.insert(changed.dropped.begin(), changed.dropped.end());
  stop_changed(names);
  effects_.observer.tasks_changed(setup_.tasks);
  return lines;
}

/// Gangs on devices that are taken out leave with a checkpoint; the others are not touched. What has
/// changed, a line each.
std::vector<std::string> Executor::change_cluster(const RunChange& asked) {
  const ClusterChange change = saturn::change_cluster(setup_.cluster, withdrawn_, *asked.cluster);
  if (!change.any()) return {};
  effects_.store.keep(asked.run);
  setup_.cluster = change.cluster;
  std::set<std::pair<std::string, int>> left;
  for (const auto& [node, devices] : change.removed) {
    record(DevicesWentAway{now(), node, devices, "taken out of the cluster"});
    for (const int device : devices) left.insert({node, device});
  }
  withdrawn_.insert(left.begin(), left.end());
  for (const DevicesByNode& others : {change.added, change.replaced}) {
    for (const auto& [node, devices] : others) {
      for (const int device : devices) withdrawn_.erase({node, device});
      record(DevicesCameBack{now(), node, devices});
    }
  }
  for (const auto& [node, devices] : change.replaced)
    for (const int device : devices) left.insert({node, device});
  for (auto& [id, live] : live_) {
    const GangStarted& gang = *state_.tasks[live.task].gang;
    const bool leaves = any_device(gang, [&](const std::string& node, int device) {
      return left.contains({node, device});
    });
    if (leaves) ask_to_leave_once(id, live);
  }
  stranded_.clear();
  try {
    effects_.launcher.watch_devices(without(setup_.cluster, withdrawn_));
  } catch (const SystemError& error) {
    effects_.observer.message(
        fmt::format("warning: devices that are lost are not noticed: {}", error.what()));
  }
  effects_.observer.cluster_changed(setup_.cluster);
  return to_lines(change);
}

/// Gangs of tasks that are something else now leave with a checkpoint; those that go on are started again.
void Executor::stop_changed(const std::set<std::string>& names) {
  for (auto& [gang, live] : live_) {
    if (names.contains(live.task)) ask_to_leave_once(gang, live);
  }
}

}  // namespace saturn
