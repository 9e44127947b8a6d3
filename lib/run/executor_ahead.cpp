// SPDX-License-Identifier: Apache-2.0
// The executor and gangs that come up while their devices are still in use.
#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "run/executor.h"

namespace saturn {
namespace {

/// Before the expected end of the gangs that a new one waits for; of a short one in its last quarter only.
constexpr double kAheadSeconds = 10;
constexpr double kAheadShare = 0.25;
/// Between two looks at which gangs these are: with a thousand of them the whole plan is read each time.
constexpr double kLooksApart = 0.1;

/// Whether a gang that has come up for `ahead` can do what is to be done now: it reads the job again.
bool serves(const GangSpec& ahead, const GangSpec& now) {
  Job job = ahead.job;
  job.used_seconds = now.job.used_seconds;
  return ahead.node == now.node && to_json(job) == to_json(now.job);
}

}  // namespace

/// The gang that has come up for it goes on; or a new one is started.
GangId Executor::start_or_admit(const GangSpec& gang) {
  const auto found = ahead_.find(gang.name);
  if (found == ahead_.end()) return effects_.launcher.start(gang);
  const Ahead ahead = std::move(found->second);
  const bool usable = !ahead.dead && serves(ahead.spec, gang);
  if (!usable) dismiss(gang.name);
  ahead_.erase(gang.name);
  if (!usable) return effects_.launcher.start(gang);
  effects_.launcher.admit(ahead.gang);
  return ahead.gang;
}

/// Programs and libraries of the next gangs are loaded, their data opened, while the ones before are about to
/// leave: that time is not lost to the devices.
void Executor::start_ahead() {
  if (is_ending()) return dismiss_all();
  next_start_ahead_ = std::max(next_start_ahead_, looked_ahead_at_ + kLooksApart);
  if (now() < next_start_ahead_) return;
  looked_ahead_at_ = now();
  const std::set<std::string> leaving = about_to_leave();
  if (leaving.empty() && ahead_.empty()) return;
  std::vector<const Assignment*> next = due(setup_, plan_, state_, leaving);
  keep_within_budget(next);
  std::set<std::string> wanted;
  for (const Assignment* line : next) {
    wanted.insert(line->task);
    if (!ahead_.contains(line->task)) come_up(*line);
  }
  for (auto& [task, ahead] : ahead_)
    if (!wanted.contains(task)) dismiss(task);
  std::erase_if(ahead_, [&](const auto& entry) { return !wanted.contains(entry.first); });
}

/// At a sign of life. Steps tell more than the plan, once there are some.
void Executor::expect_end(Live& live) {
  const TaskState& task = state_.tasks.at(live.task);
  const double step_seconds = live.speed.step_seconds();
  const double end = step_seconds > 0
                         ? now() + static_cast<double>(live.steps - task.live_step) * step_seconds
                         : task.gang->at + task.gang->planned_seconds;
  live.ahead_at = end - std::min(kAheadSeconds, kAheadShare * (end - task.gang->at));
  if (live.ahead_at > now()) next_start_ahead_ = std::min(next_start_ahead_, live.ahead_at);
}

/// The tasks whose gangs have been told to leave, or are near their end. Sets when to ask again.
std::set<std::string> Executor::about_to_leave() {
  std::set<std::string> tasks;
  next_start_ahead_ = std::numeric_limits<double>::infinity();
  for (const auto& [id, live] : live_) {
    // One that has not been released yet may still have to read its own job.
    if (!live.released) continue;
    if (live.stop_asked_at || live.left || live.ahead_at <= now()) {
      tasks.insert(live.task);
    } else {
      next_start_ahead_ = std::min(next_start_ahead_, live.ahead_at);
    }
  }
  return tasks;
}

/// A failure is none yet: it will come again when the gang is started, and be dealt with then.
void Executor::come_up(const Assignment& line) {
  GangSpec gang = make_gang(setup_, line);
  const auto retry = retry_at_.find(line.task);
  if (gang.job.command || retry != retry_at_.end()) return;
  Ahead& ahead = ahead_[line.task];
  try {
    ahead.spec = ahead_of_time(std::move(gang), effects_.store.prepare_ahead(gang.job));
    ahead.gang = effects_.launcher.start(ahead.spec);
  } catch (const SystemError&) {
    ahead.dead = true;
  }
}

/// The caller takes it from `ahead_`.
void Executor::dismiss(const std::string& task) {
  const Ahead& ahead = ahead_.at(task);
  if (!ahead.dead) effects_.launcher.kill(ahead.gang);
}

void Executor::dismiss_all() {
  for (const auto& [task, ahead] : ahead_) dismiss(task);
  ahead_.clear();
  next_start_ahead_ = std::numeric_limits<double>::infinity();
}

}  // namespace saturn
