// SPDX-License-Identifier: Apache-2.0
#include "run/executor.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <string.h>
#include <unistd.h>
#include <utility>

#include "base/error.h"
#include "base/host.h"

namespace saturn {
namespace {

constexpr int kTailLines = 10;
/// A machine that has no process or no memory left may have some again. Doubled from one time to the next.
constexpr double kRetryStartAfterSeconds = 5;
constexpr double kLongestRetryAfterSeconds = 300;
/// A node that fails moves many tasks at once: the plan is written once. Who is killed before that goes on by
/// the plan as it was, which is as good.
constexpr double kKeepPlanAfterSeconds = 1;
/// A gang is late or early when it differs by this much at least, however short it was to be.
constexpr double kLeastDifferenceSeconds = 1;
/// A gang whose steps take long is hung after so many of them without a sign of life.
constexpr double kStepsWithoutNews = 10;

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name == nullptr ? fmt::format("signal {}", signal) : fmt::format("SIG{}", name);
}

/// Whether the record can change what is due to be started. A start does not: all that was due is started.
bool concerns_devices(const Record& record) {
  return !std::holds_alternative<GangStarted>(record) && !std::holds_alternative<CheckpointWritten>(record) &&
         !std::holds_alternative<ValidationDone>(record) && !std::holds_alternative<PlanKept>(record) &&
         !std::holds_alternative<GangReleased>(record);
}

std::string places(const std::string& node, const std::vector<int>& devices) {
  return fmt::format("device{} {} of {}", devices.size() == 1 ? "" : "s", fmt::join(devices, ","), node);
}

}  // namespace

Executor::Executor(RunSetup setup, Plan plan, RunState state, RunEffects effects)
    : setup_(std::move(setup)),
      plan_(std::move(plan)),
      state_(std::move(state)),
      effects_(effects),
      began_(effects.clock.now()),
      looks_(setup_.settings.introspection_interval_seconds) {}

void Executor::record(const Record& record) {
  effects_.store.append(record);
  apply(state_, record);
  const bool begins = std::holds_alternative<GangStarted>(record);
  if (setup_.budget.limited() && (begins || concerns_devices(record))) next_budget_check_ = 0;
  if (!concerns_devices(record)) return;
  stale_ = true;
  next_start_ahead_ = 0;
}

RunEnd Executor::run() {
  record(SessionStarted{utc_timestamp(), host_name(), ::getpid(), device_counts(setup_.cluster)});
  if (state_.plans.empty()) record(PlanAdopted{0, "first plan", 0, plan_.makespan_seconds});
  reopen();
  if (setup_.budget.limited() && state_.sessions > 1) plan_again("the budget of a new session");
  try {
    loop();
  } catch (...) {
    // Without a journal nothing new may be started, but what runs can still save itself.
    stop_all();
    drain();
    throw;
  }
  dismiss_all();
  keep_moves(std::numeric_limits<double>::infinity());
  const bool failed = std::any_of(state_.tasks.begin(), state_.tasks.end(), [](const auto& entry) {
    return entry.second.phase == TaskState::Phase::kFailed;
  });
  if (interrupted() && work_is_left()) {
    record(SessionEnded{now(), "stopped by " + signal_name(effects_.interrupt.signal)});
    return RunEnd::kInterrupted;
  }
  if (budget_ends_ && work_is_left()) {
    record(SessionEnded{now(), "the budget is spent"});
    return RunEnd::kOutOfBudget;
  }
  const char* end = failed_fast_ ? "stopped by a failure" : failed ? "done, with failures" : "done";
  record(SessionEnded{now(), end});
  return failed ? RunEnd::kSomeFailed : RunEnd::kDone;
}

/// A new session tries again what failed in an earlier one, and goes on with what has become longer.
void Executor::reopen() {
  for (const std::string& task : tasks_to_reopen(setup_.tasks, state_)) record(TaskReopened{now(), task});
}

void Executor::loop() {
  while (true) {
    check_interrupt();
    check_requests();
    judge_rungs();
    introspect();
    check_budget();
    start_due();
    start_ahead();
    keep_moves(now());
    measure();
    if (!state_.measuring.empty()) {
      wait();
      continue;
    }
    if (live_.empty() && (is_ending() || !work_is_left())) return;
    if (live_.empty() && budget_is_spent()) return;
    if (live_.empty() && due(setup_, plan_, state_).empty() && !looks_.pending()) {
      if (!give_up_the_rest()) return;
      continue;
    }
    wait();
  }
}

void Executor::wait() {
  if (const auto news = effects_.launcher.wait(until_next())) on_news(*news);
  check_gangs();
  effects_.observer.update(state_, plan_);
}

bool Executor::work_is_left() const {
  return std::any_of(setup_.tasks.begin(), setup_.tasks.end(),
                     [&](const TaskSpec& task) { return !state_.is_over(task.name); });
}

/// How long nothing has to be done unless something happens.
Seconds Executor::until_next() const {
  double next = std::min({next_check_, next_budget_check_, next_start_ahead_, keep_plan_at_});
  if (rungs_stale_) next = std::min(next, rungs_judged_at_ + kRungsJudgedApart);
  if (effects_.introspector != nullptr && !is_ending()) next = std::min(next, looks_.next());
  for (const auto& [task, at] : retry_at_)
    if (at > now()) next = std::min(next, at);
  if (measuring_) next = std::min(next, now() + effects_.trials->until_next().count());
  // A little later, so that it is past, however times are rounded.
  return std::clamp(Seconds(next - now() + 1e-6), Seconds(0), effects_.tick);
}

void Executor::start_due() {
  if (is_ending()) return;
  const bool again = std::any_of(retry_at_.begin(), retry_at_.end(),
                                 [&](const auto& retry) { return now() >= retry.second; });
  if (!stale_ && !again) return;
  // A gang that fails at its start frees its devices again: ask anew until nothing more is due.
  do {
    stale_ = false;
    for (const Assignment* assignment : startable()) {
      if (is_ending()) return;
      start(*assignment);
    }
  } while (stale_);
}

/// What is due, less what is to be tried again later; nothing overtakes that on its devices.
std::vector<const Assignment*> Executor::startable() const {
  std::vector<const Assignment*> next = due(setup_, plan_, state_);
  std::erase_if(next, [&](const Assignment* assignment) {
    const auto found = retry_at_.find(assignment->task);
    return found != retry_at_.end() && now() < found->second;
  });
  // Where trials have ended, the plan that knows them comes first.
  std::erase_if(next, [&](const Assignment* assignment) {
    return std::any_of(lent_.nodes.begin(), lent_.nodes.end(),
                       [&](const Node& node) { return is_on(*assignment, node.name); });
  });
  keep_within_budget(next);
  return next;
}

void Executor::start(const Assignment& assignment) {
  GangSpec gang = make_gang(setup_, assignment);
  gang.job.used_seconds = state_.tasks[assignment.task].busy_seconds;
  effects_.store.prepare(gang.job);
  record(GangStarted{now(), assignment.task, assignment.parallelism, assignment.knobs, assignment.node,
                     assignment.devices, assignment.duration_seconds, assignment.further});
  retry_at_.erase(assignment.task);
  try {
    Live live;
    live.task = assignment.task;
    live.number = gangs_++;
    live.steps = gang.job.task.steps;
    live.last_news = now();
    live_[start_or_admit(gang)] = live;
    next_check_ = std::min(next_check_, check_at(live));
  } catch (const SystemError& error) {
    record(GangEnded{now(), assignment.task, error.what(), true});
    give_up_or_retry(assignment.task, error.what(), /*started=*/false);
  }
}

void Executor::give_up(const std::string& task, const std::string& why) {
  retry_at_.erase(task);
  record(TaskFailed{now(), task, why});
  std::string text = fmt::format("task '{}' failed: {}", task, why);
  const std::string tail = effects_.store.log_tail(task, kTailLines);
  if (!tail.empty())
    text += fmt::format("\n  the end of {}:\n{}", effects_.store.log_file(task).string(), tail);
  effects_.observer.message(text);
  if (!setup_.fail_fast || std::exchange(failed_fast_, true)) return;
  effects_.observer.message("the run ends with its first failure: every task writes a checkpoint and stops");
  stop_all();
}

/// Nothing runs, and nothing that is left can be started. Whether that has changed anything: tasks that
/// waited at a rung for those given up may go on.
bool Executor::give_up_the_rest() {
  bool any = false;
  for (const TaskSpec& task : setup_.tasks) {
    const TaskState& state = state_.tasks[task.name];
    if (state.over() || state.phase == TaskState::Phase::kPaused) continue;
    const auto why = stranded_.find(task.name);
    give_up(task.name, why != stranded_.end()   ? why->second
                       : !state.message.empty() ? state.message
                                                : "the devices that the plan has for it are lost");
    any = true;
  }
  rungs_stale_ = true;
  return any;
}

void Executor::on_news(const GangNews& news) {
  if (const auto* lost = std::get_if<DevicesLost>(&news.what)) return on_lost(*lost);
  if (const auto* back = std::get_if<DevicesBack>(&news.what)) return on_back(*back);
  const auto found = live_.find(news.gang);
  if (found == live_.end()) {
    for (auto& [task, ahead] : ahead_)
      if (ahead.gang == news.gang && std::holds_alternative<GangExited>(news.what)) ahead.dead = true;
    if (measuring_) effects_.trials->handle(news);
    return;
  }
  found->second.last_news = now();
  if (const auto* exited = std::get_if<GangExited>(&news.what)) {
    on_exit(news.gang, *exited);
  } else {
    on_event(news.gang, found->second, std::get<Event>(news.what));
  }
}

void Executor::on_event(GangId gang, Live& live, const Event& event) {
  const std::string& task = live.task;
  if (const auto* ready = std::get_if<Ready>(&event)) {
    record(GangReleased{now(), task, ready->step, now() - state_.tasks[task].gang->at});
    live.released = true;
    expect_end(live);
    effects_.launcher.release(gang);
  } else if (const auto* step = std::get_if<StepDone>(&event)) {
    if (step->step_seconds > 0) live.speed.add(step->step_seconds);
    TaskState& state = state_.tasks[task];
    state.live_step = step->step;
    state.training_loss = step->loss;
    if (live.speed.step_seconds() > 0) state.step_seconds = live.speed.step_seconds();
    expect_end(live);
  } else if (const auto* checkpoint = std::get_if<Checkpointed>(&event)) {
    record(CheckpointWritten{now(), task, checkpoint->step, live.speed.step_seconds()});
  } else if (const auto* validated = std::get_if<Validated>(&event)) {
    record(ValidationDone{now(), task, validated->step, validated->loss});
    if (decides(setup_.settings.halving, state_.tasks[task], validated->step)) rungs_stale_ = true;
  } else if (const auto* lost = std::get_if<CheckpointFailed>(&event)) {
    effects_.observer.message(fmt::format("warning: task '{}' trains on without a checkpoint at step {}: {}",
                                          task, lost->step, lost->message));
  } else if (const auto* skipped = std::get_if<CheckpointSkipped>(&event)) {
    effects_.observer.message(fmt::format("warning: task '{}': {}", task, skipped->message));
  } else if (const auto* finished = std::get_if<Finished>(&event)) {
    on_finish(live, *finished);
  } else if (std::holds_alternative<Stopped>(event)) {
    live.left = true;
  } else if (const auto* failed = std::get_if<Failed>(&event)) {
    live.failure = *failed;
  }
}

void Executor::on_finish(Live& live, const Finished& finished) {
  live.left = true;
  const TaskSpec* spec = setup_.task(live.task);
  if (spec == nullptr) return;  // it was dropped while it wrote its last checkpoint
  const TaskSpec& task = *spec;
  record(TaskFinished{now(), live.task, finished.step, finished.training_loss, finished.validation_loss,
                      finished.weights, live.speed.step_seconds(), live.steps, finished.why,
                      to_json(task.stop).dump()});
  // It has come to its last step before it could be told that it is to be longer.
  if (finished.why.empty() && task.steps > live.steps) record(TaskReopened{now(), live.task});
  if (!finished.why.empty()) {
    effects_.observer.message(fmt::format("task '{}' finished early at step {} of {}: {}", live.task,
                                          finished.step, task.steps, finished.why));
  }
  const GangStarted& gang = *state_.tasks[live.task].gang;
  const double late = now() - gang.at - gang.planned_seconds;
  if (std::abs(late) > tolerated_seconds(gang) && !live.late) {
    want_look(fmt::format("task '{}' ended {} {} than planned", live.task,
                          to_text_duration(Seconds(std::abs(late))), late < 0 ? "earlier" : "later"));
  }
}

std::string Executor::failure_text(const Live& live, const GangExited& exited) const {
  if (live.failure) return live.failure->message;
  const std::string how = exited.code > 128 ? "was killed by " + signal_name(exited.code - 128)
                                            : fmt::format("exited with code {}", exited.code);
  return fmt::format("rank {} {} {}", exited.rank, how,
                     live.released ? "while training" : "before it was ready");
}

void Executor::on_exit(GangId gang, const GangExited& exited) {
  const Live live = live_.at(gang);
  live_.erase(gang);
  const bool finished = state_.tasks[live.task].phase == TaskState::Phase::kFinished;
  if (setup_.task(live.task) == nullptr) {
    record(GangEnded{now(), live.task, "dropped", false, live.stop_asked_at});
  } else if (finished || (live.left && exited.code == 0)) {
    record(GangEnded{now(), live.task, finished ? "finished" : "stopped", false, live.stop_asked_at});
  } else if (!live.device_lost.empty()) {
    record(GangEnded{now(), live.task, "lost its devices: " + live.device_lost, false, live.stop_asked_at});
  } else if (live.stop_asked_at && !live.failure) {
    // Killed while it was told to leave: the last checkpoint is what counts.
    record(GangEnded{now(), live.task, "stopped without a checkpoint: " + failure_text(live, exited), false,
                     live.stop_asked_at});
  } else {
    on_failure(live, failure_text(live, exited));
  }
  rungs_stale_ = true;
}

void Executor::on_lost(const DevicesLost& news) {
  DevicesLost lost = news;
  std::erase_if(lost.devices, [&](int device) { return withdrawn_.contains({lost.node, device}); });
  if (lost.devices.empty()) return;
  record(DevicesWentAway{now(), lost.node, lost.devices, lost.why});
  const std::string what = places(lost.node, lost.devices);
  effects_.observer.message(fmt::format("warning: lost {}: {}", what, lost.why));
  for (auto& [id, live] : live_) {
    const GangStarted& gang = *state_.tasks[live.task].gang;
    const bool hit = any_device(gang, [&](const std::string& node, int d) {
      return node == lost.node &&
             std::find(lost.devices.begin(), lost.devices.end(), d) != lost.devices.end();
    });
    if (!hit || !live.device_lost.empty()) continue;
    live.device_lost = lost.why;
    effects_.launcher.kill(id);
  }
  if (state_.measuring.contains(lost.node) && measuring_) effects_.trials->cancel();
  need_look("lost " + what);
}

void Executor::on_back(const DevicesBack& news) {
  DevicesBack back = news;
  std::erase_if(back.devices, [&](int device) { return withdrawn_.contains({back.node, device}); });
  if (back.devices.empty()) return;
  record(DevicesCameBack{now(), back.node, back.devices});
  const std::string what = places(back.node, back.devices);
  effects_.observer.message(what + " can be used again");
  stranded_.clear();
  need_look(what + " can be used again");
}

void Executor::on_failure(const Live& live, const std::string& why) {
  record(GangEnded{now(), live.task, why, true});
  const auto reason = live.failure ? live.failure->reason : Failed::Reason::kError;
  if (reason == Failed::Reason::kOutOfMemory && effects_.introspector != nullptr)
    return rule_out(live.task, why);
  // Out of memory and a loss that is no number would only come again.
  if (reason != Failed::Reason::kError) return give_up(live.task, why);
  give_up_or_retry(live.task, why, /*started=*/true);
}

/// What has run out of memory once would do so again; perhaps there is another way.
void Executor::rule_out(const std::string& task, const std::string& why) {
  const GangStarted gang = *state_.tasks[task].gang;
  record(ConfigurationRuledOut{now(), task, gang.parallelism, gang.knobs, setup_.node(gang.node)->kind,
                               static_cast<int>(device_count(gang)), why, node_count(gang)});
  effects_.observer.message(fmt::format(
      "warning: task '{}' is not run by {} on {} device{}{} any more: {}", task, gang.parallelism,
      device_count(gang), device_count(gang) == 1 ? "" : "s", across_text(node_count(gang)), why));
  need_look(fmt::format("task '{}' ran out of memory", task));
}

/// `started`: its processes were there. The first time they are at once again: most of what kills a gang does
/// not come back.
void Executor::give_up_or_retry(const std::string& task, const std::string& why, bool started) {
  const TaskState& state = state_.tasks[task];
  const auto died = static_cast<int>(state.failures - std::ssize(state.ruled_out));
  if (died > setup_.settings.retries) return give_up(task, why);
  const int pauses = started ? died - 1 : died;
  if (pauses > 0)
    retry_at_[task] =
        now() + std::min(std::ldexp(kRetryStartAfterSeconds, pauses - 1), kLongestRetryAfterSeconds);
  const std::string place = started ? move_elsewhere(task) : "";
  effects_.observer.message(
      fmt::format("warning: task '{}' is started again from step {}{}: {}", task, state.step, place, why));
}

/// A gang that died is started again on other devices where there are some: it may have been those. Says
/// which.
std::string Executor::move_elsewhere(const std::string& task) {
  const GangStarted& failed = *state_.tasks[task].gang;
  for (Assignment& line : plan_.assignments) {
    if (line.task != task || line.pinned.node || line.pinned.devices) continue;
    const auto other = elsewhere(setup_, plan_, state_, line, failed);
    if (!other) return "";
    line = *other;
    keep_plan_at_ = std::min(keep_plan_at_, now() + kKeepPlanAfterSeconds);
    return " on " + places(line.node, line.devices);
  }
  return "";
}

void Executor::keep_moves(double until) {
  if (std::isinf(keep_plan_at_) || keep_plan_at_ > until) return;
  keep_plan_at_ = std::numeric_limits<double>::infinity();
  effects_.store.keep(plan_);
}

void Executor::check_interrupt() {
  const int count = effects_.interrupt.count;
  if (count == interrupts_seen_) return;
  if (interrupts_seen_ == 0) {
    effects_.observer.message(
        fmt::format("{}: every task writes a checkpoint and stops; once more kills them",
                    signal_name(effects_.interrupt.signal)));
    stop_all();
  }
  if (count > 1) {
    for (const auto& [gang, live] : live_) effects_.launcher.kill(gang);
  }
  interrupts_seen_ = count;
}

double Executor::tolerated_seconds(const GangStarted& gang) const {
  return std::max(kLeastDifferenceSeconds, setup_.settings.introspection_tolerance * gang.planned_seconds);
}

/// From when on the gang would be hung or late.
double Executor::check_at(const Live& live) const {
  const TaskState& task = state_.tasks.at(live.task);
  const double hung = live.last_news + silence_limit(live);
  const double late = task.gang->at + task.gang->planned_seconds + tolerated_seconds(*task.gang);
  return live.late || task.over() ? hung : std::min(hung, late);
}

/// A step that takes long gives no sign of life before it is over.
double Executor::silence_limit(const Live& live) const {
  if (!live.released) return setup_.settings.start_timeout_seconds;
  return std::max(setup_.settings.hang_timeout_seconds, kStepsWithoutNews * live.speed.step_seconds());
}

void Executor::check_gangs() {
  if (now() < next_check_) return;
  next_check_ = std::numeric_limits<double>::infinity();
  for (auto& [gang, live] : live_) {
    check_hung(gang, live);
    check_late(live);
    next_check_ = std::min(next_check_, check_at(live));
  }
}

void Executor::check_hung(GangId gang, Live& live) {
  const double limit = silence_limit(live);
  if (now() < live.last_news + limit) return;
  live.last_news = now();
  const char* what = live.released ? "no progress" : "not ready after its start";
  // One that has said why it fails may hang as well on its way out.
  if (!live.failure) {
    live.failure =
        Failed{Failed::Reason::kError, fmt::format("{} for {}", what, to_text_duration(Seconds(limit)))};
  }
  effects_.launcher.kill(gang);
}

void Executor::check_late(Live& live) {
  const TaskState& task = state_.tasks.at(live.task);
  const GangStarted& gang = *task.gang;
  if (live.late || task.over() || now() <= gang.at + gang.planned_seconds + tolerated_seconds(gang)) return;
  live.late = true;
  want_look(fmt::format("task '{}' takes longer than planned", live.task));
}

/// A checkpoint, and the devices are free; at a deadline in any case.
void Executor::ask_to_leave(GangId gang, Live& live) {
  if (!live.stop_asked_at) live.stop_asked_at = now();
  const double grace = std::min(setup_.settings.stop_grace_seconds, setup_.budget.seconds - now());
  effects_.launcher.stop(gang, Seconds(std::max(0.0, grace)));
}

void Executor::ask_to_leave_once(GangId gang, Live& live) {
  if (!live.stop_asked_at) ask_to_leave(gang, live);
}

void Executor::stop_all() {
  for (auto& [gang, live] : live_) ask_to_leave(gang, live);
}

void Executor::drain() {
  const Seconds deadline = effects_.clock.now() + Seconds(setup_.settings.stop_grace_seconds + 10);
  while (!live_.empty() && effects_.clock.now() < deadline) {
    const auto news = effects_.launcher.wait(Seconds(1));
    if (news && std::holds_alternative<GangExited>(news->what)) live_.erase(news->gang);
  }
}

}  // namespace saturn
