// SPDX-License-Identifier: Apache-2.0
// The executor and successive halving: what becomes of tasks at rungs.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "run/executor.h"

namespace saturn {

/// Successive halving: after a validation, and when a task has ended and others wait for it. Nothing is put
/// off while no gang runs.
void Executor::judge_rungs() {
  if (!rungs_stale_ || (now() < rungs_judged_at_ + kRungsJudgedApart && !live_.empty())) return;
  rungs_judged_at_ = now();
  rungs_stale_ = false;
  if (setup_.settings.halving.rungs.empty()) return;
  while (judge_once()) {
  }
}

/// Whether something has changed: what closes one rung may close the next.
bool Executor::judge_once() {
  bool changed = false;
  for (const auto& [name, verdict] : rung_verdicts(setup_.settings.halving, setup_.tasks, state_)) {
    const TaskState& task = state_.tasks[name];
    const bool paused = task.phase == TaskState::Phase::kPaused;
    if (verdict.kind == RungVerdict::Kind::kGoesOn && task.rung_passed < verdict.rung) {
      let_go_on(name, verdict);
    } else if (verdict.kind == RungVerdict::Kind::kIsOut && !task.holds_devices) {
      end_at_rung(name, verdict);
    } else if (verdict.kind != RungVerdict::Kind::kGoesOn && !paused) {
      pause(name, verdict);
    } else {
      continue;
    }
    changed = true;
  }
  return changed;
}

void Executor::let_go_on(const std::string& task, const RungVerdict& verdict) {
  record(RungPassed{now(), task, verdict.rung, verdict.place, verdict.of});
  plan_again(fmt::format("task '{}' goes on after step {}, {} of {}", task, verdict.rung, verdict.place,
                         verdict.of));
}

void Executor::pause(const std::string& task, const RungVerdict& verdict) {
  record(TaskPaused{now(), task, verdict.rung, verdict.place, verdict.of});
  for (auto& [gang, live] : live_)
    if (live.task == task) ask_to_leave_once(gang, live);
  plan_again(
      fmt::format("task '{}' waits at step {}, {} of {}", task, verdict.rung, verdict.place, verdict.of));
}

void Executor::end_at_rung(const std::string& task, const RungVerdict& verdict) {
  const TaskSpec& spec = *setup_.task(task);
  const TaskState& state = state_.tasks[task];
  const std::string why =
      fmt::format("{} of {} at step {}: the others go on", verdict.place, verdict.of, verdict.rung);
  record(TaskFinished{now(), task, state.step, state.training_loss, state.validation_loss, "",
                      state.step_seconds, spec.steps, why, to_json(spec.stop).dump()});
  effects_.observer.message(fmt::format("task '{}' ends early: {}", task, why));
}

}  // namespace saturn
