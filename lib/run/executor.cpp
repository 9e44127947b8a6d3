// SPDX-License-Identifier: Apache-2.0
#include "run/executor.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <string.h>
#include <unistd.h>
#include <utility>

#include "base/error.h"

namespace saturn {
namespace {

constexpr Seconds kTick{1};
constexpr int kTailLines = 10;
/// A machine that has no process or no memory left may have some again.
constexpr double kRetryStartAfterSeconds = 5;

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name == nullptr ? fmt::format("signal {}", signal) : fmt::format("SIG{}", name);
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

bool same_place(const GangStarted& gang, const Assignment& a) {
  return gang.parallelism == a.parallelism && gang.knobs == a.knobs && gang.node == a.node &&
         gang.devices == a.devices;
}

const Assignment* assignment_of(const Plan& plan, const std::string& task) {
  for (const Assignment& assignment : plan.assignments) {
    if (assignment.task == task) return &assignment;
  }
  return nullptr;
}

}  // namespace

Executor::Executor(RunSetup setup, Plan plan, RunState state, RunEffects effects)
    : setup_(std::move(setup)),
      plan_(std::move(plan)),
      state_(std::move(state)),
      effects_(effects),
      began_(effects.clock.now()) {}

void Executor::record(const Record& record) {
  effects_.journal.append(record);
  apply(state_, record);
}

RunEnd Executor::run() {
  record(SessionStarted{utc_timestamp(), host_name(), ::getpid()});
  if (state_.plans.empty()) record(PlanAdopted{0, "first plan", 0, plan_.makespan_seconds});
  reopen();
  next_introspection_ = setup_.settings.introspection_interval_seconds;
  try {
    loop();
  } catch (...) {
    // Without a journal nothing new may be started, but what runs can still save itself.
    stop_all(Seconds(setup_.settings.stop_grace_seconds));
    drain();
    throw;
  }
  const bool failed = std::any_of(state_.tasks.begin(), state_.tasks.end(), [](const auto& entry) {
    return entry.second.phase == TaskState::Phase::kFailed;
  });
  const int signal = effects_.interrupt.signal;
  const bool complete = due(plan_, state_).empty();
  if (signal != 0 && !complete) {
    record(SessionEnded{now(), "stopped by " + signal_name(signal)});
    return RunEnd::kInterrupted;
  }
  record(SessionEnded{now(), failed ? "done, with failures" : "done"});
  return failed ? RunEnd::kSomeFailed : RunEnd::kDone;
}

/// A new session tries again what failed in an earlier one, and goes on with what has become longer.
void Executor::reopen() {
  for (const std::string& task : tasks_to_reopen(setup_.tasks, state_)) record(TaskReopened{now(), task});
}

void Executor::loop() {
  while (true) {
    check_interrupt();
    introspect();
    start_due();
    const bool idle = effects_.interrupt.signal != 0 || due(plan_, state_).empty();
    if (live_.empty() && idle) return;  // nothing runs and nothing is to be started: done, or stopped
    if (const auto news = effects_.launcher.wait(kTick)) on_news(*news);
    check_hung();
    effects_.observer.update(state_, plan_);
  }
}

void Executor::start_due() {
  if (effects_.interrupt.signal != 0) return;
  // A gang that fails at its start frees its devices again: ask anew until nothing more is due.
  for (auto next = startable(); !next.empty(); next = startable()) {
    for (const Assignment* assignment : next) start(*assignment);
  }
}

/// What is due, less what is to be tried again later; nothing overtakes that on its devices.
std::vector<const Assignment*> Executor::startable() const {
  std::vector<const Assignment*> next = due(plan_, state_);
  std::erase_if(next, [&](const Assignment* assignment) {
    const auto found = retry_at_.find(assignment->task);
    return found != retry_at_.end() && now() < found->second;
  });
  return next;
}

void Executor::start(const Assignment& assignment) {
  Job job = make_job(setup_, assignment);
  job.used_seconds = state_.tasks[assignment.task].busy_seconds;
  make_directories(job.directory);
  remove_temporary_files(job.directory);  // of a gang that was killed: this run has no other writer
  write_file_atomically(job.directory / "job.json", to_json(job).dump(2) + "\n");
  record(GangStarted{now(), assignment.task, assignment.parallelism, assignment.knobs, assignment.node,
                     assignment.devices, assignment.duration_seconds});
  try {
    Live live;
    live.task = assignment.task;
    live.last_news = now();
    live_[effects_.launcher.start(make_gang(setup_, assignment))] = live;
  } catch (const SystemError& error) {
    record(GangEnded{now(), assignment.task, error.what(), true});
    retry_at_[assignment.task] = now() + kRetryStartAfterSeconds;
    give_up_or_retry(assignment.task, error.what());
  }
}

void Executor::give_up(const std::string& task, const std::string& why) {
  record(TaskFailed{now(), task, why});
  std::string text = fmt::format("task '{}' failed: {}", task, why);
  const auto log = setup_.directory.log_file(task);
  const std::string tail = tail_of_file(log, kTailLines);
  if (!tail.empty()) text += fmt::format("\n  the end of {}:\n{}", log.string(), tail);
  effects_.observer.message(text);
}

void Executor::on_news(const GangNews& news) {
  const auto found = live_.find(news.gang);
  if (found == live_.end()) return;
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
    record(GangReleased{now(), task, ready->step, ready->startup_seconds});
    live.released = true;
    effects_.launcher.release(gang);
  } else if (const auto* step = std::get_if<StepDone>(&event)) {
    if (step->step_seconds > 0) live.speed.add(step->step_seconds);
    TaskState& state = state_.tasks[task];
    state.live_step = step->step;
    state.training_loss = step->loss;
    if (live.speed.step_seconds() > 0) state.step_seconds = live.speed.step_seconds();
  } else if (const auto* checkpoint = std::get_if<Checkpointed>(&event)) {
    record(CheckpointWritten{now(), task, checkpoint->step, live.speed.step_seconds()});
  } else if (const auto* validated = std::get_if<Validated>(&event)) {
    record(ValidationDone{now(), task, validated->step, validated->loss});
  } else if (const auto* lost = std::get_if<CheckpointFailed>(&event)) {
    effects_.observer.message(fmt::format("warning: task '{}' trains on without a checkpoint at step {}: {}",
                                          task, lost->step, lost->message));
  } else if (const auto* skipped = std::get_if<CheckpointSkipped>(&event)) {
    effects_.observer.message(fmt::format("warning: task '{}': {}", task, skipped->message));
  } else if (const auto* finished = std::get_if<Finished>(&event)) {
    live.left = true;
    record(TaskFinished{now(), task, finished->step, finished->training_loss, finished->validation_loss,
                        finished->weights, live.speed.step_seconds(), setup_.task(task)->steps, finished->why,
                        to_json(setup_.task(task)->stop).dump()});
    if (!finished->why.empty())
      effects_.observer.message(fmt::format("task '{}' finished early at step {} of {}: {}", task,
                                            finished->step, setup_.task(task)->steps, finished->why));
  } else if (std::holds_alternative<Stopped>(event)) {
    live.left = true;
  } else if (const auto* failed = std::get_if<Failed>(&event)) {
    live.failure = *failed;
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
  if (finished || (live.left && exited.code == 0)) {
    record(GangEnded{now(), live.task, finished ? "finished" : "stopped", false});
  } else if (live.stop_asked && !live.failure) {
    // Killed while it was told to leave: the last checkpoint is what counts.
    record(GangEnded{now(), live.task, "stopped without a checkpoint: " + failure_text(live, exited), false});
  } else {
    on_failure(live, failure_text(live, exited));
  }
}

void Executor::on_failure(const Live& live, const std::string& why) {
  record(GangEnded{now(), live.task, why, true});
  const bool repeats = live.failure && live.failure->reason != Failed::Reason::kError;
  // Out of memory and a loss that is no number would only come again.
  if (repeats) return give_up(live.task, why);
  give_up_or_retry(live.task, why);
}

void Executor::give_up_or_retry(const std::string& task, const std::string& why) {
  if (state_.tasks[task].failures > setup_.settings.retries) return give_up(task, why);
  effects_.observer.message(fmt::format("warning: task '{}' is started again from step {}: {}", task,
                                        state_.tasks[task].step, why));
}

void Executor::check_interrupt() {
  const int count = effects_.interrupt.count;
  if (count == interrupts_seen_) return;
  if (interrupts_seen_ == 0) {
    effects_.observer.message(
        fmt::format("{}: every task writes a checkpoint and stops; once more kills them",
                    signal_name(effects_.interrupt.signal)));
    stop_all(Seconds(setup_.settings.stop_grace_seconds));
  }
  if (count > 1) {
    for (const auto& [gang, live] : live_) effects_.launcher.kill(gang);
  }
  interrupts_seen_ = count;
}

void Executor::check_hung() {
  for (auto& [gang, live] : live_) {
    const double limit =
        live.released ? setup_.settings.hang_timeout_seconds : setup_.settings.start_timeout_seconds;
    if (now() - live.last_news <= limit) continue;
    live.last_news = now();
    const char* what = live.released ? "no progress" : "not ready after its start";
    // One that has said why it fails may hang as well on its way out.
    if (!live.failure) {
      live.failure =
          Failed{Failed::Reason::kError, fmt::format("{} for {}", what, to_text_duration(Seconds(limit)))};
    }
    effects_.launcher.kill(gang);
  }
}

void Executor::introspect() {
  if (effects_.introspector == nullptr || effects_.interrupt.signal != 0) return;
  if (const auto proposal = effects_.introspector->take()) {
    if (!outdated(*proposal)) adopt(*proposal);
    if (!proposal->failure.empty() && proposal->failure != last_warning_) {
      last_warning_ = proposal->failure;
      effects_.observer.message("warning: the plan stays as it is: what is left could not be planned: " +
                                proposal->failure);
    }
    asked_at_.reset();
  }
  const double interval = setup_.settings.introspection_interval_seconds;
  if (interval <= 0 || now() < next_introspection_ || asked_at_) return;
  asked_at_ = now();
  next_introspection_ = now() + interval;
  effects_.introspector->consider(state_, plan_, "interval");
}

/// It would move a gang that was started while it was solved: it has not counted what that costs. The next
/// look will.
bool Executor::outdated(const Proposal& proposal) const {
  if (!proposal.plan) return false;
  return std::any_of(live_.begin(), live_.end(), [&](const auto& entry) {
    const TaskState& task = state_.tasks.at(entry.second.task);
    const Assignment* assignment = assignment_of(*proposal.plan, entry.second.task);
    return !task.over() && assignment != nullptr && task.gang->at >= asked_at_.value_or(0) &&
           !same_place(*task.gang, *assignment);
  });
}

/// The plan that the session began with may have been edited by hand.
void Executor::keep_first_plan() {
  if (std::exchange(first_plan_kept_, true)) return;
  write_file_atomically(setup_.directory.path / "plan.previous.json", to_text(plan_));
}

void Executor::adopt(const Proposal& proposal) {
  if (!proposal.plan) return;
  // What has ended while it was solved needs no place any more; but the next session tries again what failed.
  Plan next = *proposal.plan;
  std::erase_if(next.assignments, [&](const Assignment& a) { return state_.tasks[a.task].over(); });
  for (const Assignment& assignment : plan_.assignments) {
    if (state_.tasks[assignment.task].phase == TaskState::Phase::kFailed)
      next.assignments.push_back(assignment);
  }
  keep_first_plan();
  write_file_atomically(setup_.directory.plan_file(), to_text(next));
  record(PlanAdopted{now(), proposal.reason, proposal.remaining_seconds_before,
                     proposal.remaining_seconds_after});
  plan_ = std::move(next);
  effects_.observer.message(fmt::format("a better plan for what is left: {} instead of {}",
                                        to_text_duration(Seconds(proposal.remaining_seconds_after)),
                                        to_text_duration(Seconds(proposal.remaining_seconds_before))));
  for (auto& [gang, live] : live_) {
    const TaskState& task = state_.tasks[live.task];
    const Assignment* assignment = assignment_of(plan_, live.task);
    if (task.over() || assignment == nullptr || same_place(*task.gang, *assignment)) continue;
    live.stop_asked = true;
    effects_.launcher.stop(gang, Seconds(setup_.settings.stop_grace_seconds));
  }
}

void Executor::stop_all(Seconds grace) {
  for (auto& [gang, live] : live_) {
    live.stop_asked = true;
    effects_.launcher.stop(gang, grace);
  }
}

void Executor::drain() {
  const Seconds deadline = effects_.clock.now() + Seconds(setup_.settings.stop_grace_seconds + 10);
  while (!live_.empty() && effects_.clock.now() < deadline) {
    const auto news = effects_.launcher.wait(kTick);
    if (news && std::holds_alternative<GangExited>(news->what)) live_.erase(news->gang);
  }
}

}  // namespace saturn
