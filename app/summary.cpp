// SPDX-License-Identifier: Apache-2.0
#include "summary.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace saturn {
namespace {

constexpr int kTailLines = 10;
using State = TaskSummary::State;
using Json = nlohmann::ordered_json;

State state_of(const TaskState& task, bool run_ended) {
  switch (task.phase) {
    case TaskState::Phase::kFinished:
      return State::kFinished;
    case TaskState::Phase::kFailed:
      return State::kFailed;
    case TaskState::Phase::kStarting:
    case TaskState::Phase::kTraining:
      return run_ended ? State::kStopped : State::kTraining;
    case TaskState::Phase::kWaiting:
    case TaskState::Phase::kPaused:
    case TaskState::Phase::kDropped:
      break;
  }
  return task.starts > 0 ? State::kStopped : State::kWaiting;
}

const char* name_of(State state) {
  switch (state) {
    case State::kWaiting:
      return "waiting";
    case State::kTraining:
      return "training";
    case State::kStopped:
      return "stopped";
    case State::kFinished:
      return "finished";
    case State::kFailed:
      return "failed";
  }
  return "";
}

TaskSummary summarize_task(const RunDirectory& directory, const std::string& name, const TaskState& task,
                           bool run_ended) {
  TaskSummary summary{.name = name, .state = state_of(task, run_ended)};
  summary.steps = std::max(task.step, task.live_step);
  summary.training_loss = task.training_loss;
  summary.validation_loss = task.validation_loss;
  summary.planned_seconds = task.planned_seconds;
  summary.real_seconds = task.busy_seconds;
  summary.weights = task.weights;
  summary.ended_early = task.ended_early;
  summary.message = task.message;
  if (summary.state == State::kFailed) summary.log_tail = tail_of_file(directory.log_file(name), kTailLines);
  return summary;
}

Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

Json to_json(const GangTime& time) {
  return {{"training", time.training},
          {"starting", time.starting},
          {"switching", time.switching},
          {"stopping", time.stopping},
          {"lost", time.lost}};
}

Json to_json(const TaskTime& time) {
  Json json = to_json(time.gangs);
  json.update({{"waiting", time.waiting}, {"over", time.over}});
  return json;
}

Json device_time(const Accounts& accounts) {
  Json json = to_json(accounts.gangs);
  json.update({{"away", accounts.away},
               {"measuring", accounts.measuring},
               {"idle", accounts.idle},
               {"all", accounts.device_seconds}});
  return json;
}

}  // namespace

RunSummary summarize(const RunDirectory& directory, const std::vector<TaskSpec>& tasks, const RunState& state,
                     const Accounts& accounts) {
  RunSummary summary;
  summary.directory = directory.path;
  for (const TaskSpec& task : tasks) {
    const auto found = state.tasks.find(task.name);
    const TaskState now = found == state.tasks.end() ? TaskState{} : found->second;
    summary.tasks.push_back(summarize_task(directory, task.name, now, !state.ended.empty()));
    summary.tasks.back().of_steps = task.steps;
    const auto time = accounts.tasks.find(task.name);
    summary.tasks.back().time =
        time == accounts.tasks.end() ? TaskTime{.waiting = accounts.makespan_seconds} : time->second;
  }
  if (!state.plans.empty()) summary.planned_makespan_seconds = state.plans.front().remaining_seconds_after;
  summary.real_makespan_seconds = state.elapsed_seconds();
  summary.accounts = accounts;
  if (accounts.device_seconds > 0) summary.idle_fraction = accounts.idle / accounts.device_seconds;
  return summary;
}

nlohmann::ordered_json to_json(const RunSummary& summary) {
  auto tasks = Json::array();
  for (const TaskSummary& task : summary.tasks) {
    tasks.push_back({{"task", task.name},
                     {"state", name_of(task.state)},
                     {"steps", task.steps},
                     {"of_steps", task.of_steps},
                     {"training_loss", number(task.training_loss)},
                     {"validation_loss", number(task.validation_loss)},
                     {"planned_seconds", task.planned_seconds},
                     {"real_seconds", task.real_seconds},
                     {"seconds", to_json(task.time)},
                     {"weights", task.weights},
                     {"ended_early", task.ended_early},
                     {"message", task.message}});
  }
  return {{"schema", "saturn.summary/1"},
          {"directory", summary.directory},
          {"planned_makespan_seconds", summary.planned_makespan_seconds},
          {"real_makespan_seconds", summary.real_makespan_seconds},
          {"idle_fraction", summary.idle_fraction},
          {"device_seconds", device_time(summary.accounts)},
          {"tasks", tasks}};
}

}  // namespace saturn
