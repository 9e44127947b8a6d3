// SPDX-License-Identifier: Apache-2.0
#include "run/state.h"

#include <algorithm>

#include "base/clock.h"

namespace saturn {
namespace {

using Phase = TaskState::Phase;

/// The gang's processes have left: its devices are free, and its time is accounted for.
void end_gang(RunState& state, TaskState& task, double at) {
  if (!task.holds_devices) return;
  for_each_part(*task.gang, [&](const std::string& node, const std::vector<int>& devices) {
    for (const int device : devices) state.held[node].erase(device);
  });
  const double seconds = std::max(0.0, at - task.gang->at);
  task.busy_seconds += seconds;
  const double device_seconds = seconds * static_cast<double>(device_count(*task.gang));
  task.device_seconds += device_seconds;
  state.device_seconds += device_seconds;
  task.holds_devices = false;
  if (task.over()) return;
  if (task.phase != Phase::kPaused) task.phase = Phase::kWaiting;
  task.live_step = task.step;
}

struct Applier {
  RunState& state;

  TaskState& task(const std::string& name) const { return state.tasks[name]; }
  void seen(double at) const { state.session_seconds = std::max(state.session_seconds, at); }

  void operator()(const SessionStarted& r) const {
    // A session that was killed wrote no end: its gangs died with it, at the latest thing known of it.
    for (auto& [name, task] : state.tasks) end_gang(state, task, state.session_seconds);
    state.earlier_seconds += state.session_seconds;
    state.session_seconds = 0;
    state.ended.clear();
    state.measuring.clear();
    state.lost.clear();  // what is there now was found anew
    ++state.sessions;
    if (const auto began = parse_utc(r.utc)) {
      state.session_began_at = *began;
      if (!state.began_at) state.began_at = began;
    }
  }
  void operator()(const PlanAdopted& r) const {
    seen(r.at);
    state.plans.push_back(r);
  }
  void operator()(const PlanKept& r) const {
    seen(r.at);
    ++state.plans_kept;
  }
  void operator()(const GangStarted& r) const {
    seen(r.at);
    TaskState& t = task(r.task);
    if (t.gang && t.step_seconds > 0) {
      t.earlier_gang = t.gang;
      t.earlier_step_seconds = t.step_seconds;
    }
    t.gang = r;
    t.holds_devices = true;
    for_each_part(r, [&](const std::string& node, const std::vector<int>& devices) {
      state.held[node].insert(devices.begin(), devices.end());
    });
    t.phase = Phase::kStarting;
    t.step_seconds = 0;
    if (t.starts++ == 0) t.planned_seconds = r.planned_seconds;
  }
  void operator()(const GangReleased& r) const {
    seen(r.at);
    TaskState& t = task(r.task);
    // It may have been dropped or paused while it came up.
    if (t.phase == Phase::kStarting) t.phase = Phase::kTraining;
    t.step = t.live_step = r.step;
  }
  void operator()(const CheckpointWritten& r) const {
    seen(r.at);
    TaskState& t = task(r.task);
    t.step = r.step;
    t.live_step = std::max(t.live_step, r.step);
    if (r.step_seconds > 0) t.step_seconds = r.step_seconds;
  }
  void operator()(const ValidationDone& r) const {
    seen(r.at);
    TaskState& t = task(r.task);
    t.validation_loss = r.loss;
    t.validations[r.step] = r.loss;
  }
  void operator()(const RungPassed& r) const {
    seen(r.at);
    TaskState& t = task(r.task);
    t.rung_passed = std::max(t.rung_passed, r.rung);
    if (t.phase == Phase::kPaused) t.phase = Phase::kWaiting;
  }
  void operator()(const TaskPaused& r) const {
    seen(r.at);
    task(r.task).phase = Phase::kPaused;
  }
  void operator()(const TaskFinished& r) const {
    seen(r.at);
    TaskState& t = task(r.task);
    t.phase = Phase::kFinished;
    t.step = t.live_step = r.step;
    t.finished_of = std::max(r.of_steps, r.step);
    t.ended_early = r.why;
    t.stop_rule = r.stop_rule;
    t.training_loss = r.training_loss;
    t.validation_loss = r.validation_loss;
    t.weights = r.weights;
    t.step_seconds = r.step_seconds;
    t.message.clear();
  }
  void operator()(const GangEnded& r) const {
    seen(r.at);
    TaskState& t = task(r.task);
    end_gang(state, t, r.at);
    if (!r.failure) return;
    ++t.failures;
    t.message = r.why;
  }
  void operator()(const TaskFailed& r) const {
    seen(r.at);
    TaskState& t = task(r.task);
    t.phase = Phase::kFailed;
    t.message = r.why;
  }
  void operator()(const TaskReopened& r) const {
    seen(r.at);
    TaskState& t = task(r.task);
    t.phase = Phase::kWaiting;
    t.ended_early.clear();
    t.failures = 0;
    t.ruled_out.clear();
    t.message.clear();
  }
  void operator()(const TasksChanged& r) const {
    seen(r.at);
    for (const std::string& name : r.dropped) {
      TaskState& t = task(name);
      if (t.phase != Phase::kFinished) t.phase = Phase::kDropped;
    }
  }
  void operator()(const ConfigurationRuledOut& r) const {
    seen(r.at);
    task(r.task).ruled_out.push_back(r);
  }
  void operator()(const DevicesWentAway& r) const {
    seen(r.at);
    for (const int device : r.devices) state.lost.insert({r.node, device});
  }
  void operator()(const DevicesCameBack& r) const {
    seen(r.at);
    for (const int device : r.devices) state.lost.erase({r.node, device});
  }
  void operator()(const MeasuringStarted& r) const {
    seen(r.at);
    state.measuring[r.node].insert(r.devices.begin(), r.devices.end());
  }
  void operator()(const MeasuringEnded& r) const {
    seen(r.at);
    state.measuring.clear();
    ++state.measurings;
  }
  void operator()(const SessionEnded& r) const {
    seen(r.at);
    state.ended = r.why;
  }
};

}  // namespace

const TaskState* RunState::task(const std::string& name) const {
  const auto found = tasks.find(name);
  return found == tasks.end() ? nullptr : &found->second;
}

bool RunState::is_over(const std::string& name) const {
  const TaskState* found = task(name);
  return found != nullptr && found->over();
}

void apply(RunState& state, const Record& record) {
  std::visit(Applier{state}, record);
}

RunState replay(const std::vector<Record>& records) {
  RunState state;
  for (const Record& record : records) apply(state, record);
  return state;
}

}  // namespace saturn
