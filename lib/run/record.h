// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "plan/plan.h"

namespace saturn {

// What happens in a run, as the journal keeps it. `at` is seconds since the session's start (a session = one
// process of `saturn run`).

/// A session begins. Gangs that an earlier session left running are gone.
struct SessionStarted {
  std::string utc;
  std::string host;
  std::int64_t pid = 0;
  std::map<std::string, int> devices{};  ///< of each node; empty in older journals
};
/// A plan is in force from here on (the first one, or one that a replan or an introspection found better).
struct PlanAdopted {
  double at = 0;
  std::string reason;
  double remaining_seconds_before = 0;  ///< of the plan given up; 0 for the first
  double remaining_seconds_after = 0;
};
/// What is left was planned again, and the plan in force stays.
struct PlanKept {
  double at = 0;
  std::string reason;
  double remaining_seconds = 0;  ///< of the plan in force
  double best_seconds = 0;       ///< of the best plan that was found, switches included
};
struct GangStarted {
  double at = 0;
  std::string task;
  std::string parallelism;
  Knobs knobs;
  std::string node;
  std::vector<int> devices;
  double planned_seconds = 0;          ///< of the plan's line it was started for
  std::vector<NodeDevices> further{};  ///< its parts on other nodes than `node`
};
/// The gang is up and was released.
struct GangReleased {
  double at = 0;
  std::string task;
  std::int64_t step = 0;       ///< that it goes on from
  double startup_seconds = 0;  ///< that it held its devices before
};
/// A checkpoint of this step is complete on disk.
struct CheckpointWritten {
  double at = 0;
  std::string task;
  std::int64_t step = 0;
  double step_seconds = 0;  ///< observed until now
};
struct ValidationDone {
  double at = 0;
  std::string task;
  std::int64_t step = 0;
  double loss = 0;
};
/// Successive halving: among those that have come to the rung the task is good enough to go on.
struct RungPassed {
  double at = 0;
  std::string task;
  std::int64_t rung = 0;  ///< its step
  int place = 0;          ///< from 1, by validation loss
  int of = 0;
};
/// Successive halving: the task waits at the rung for others to come; its devices go to them.
struct TaskPaused {
  double at = 0;
  std::string task;
  std::int64_t rung = 0;
  int place = 0;
  int of = 0;
};
/// The last step is done and the weights are written.
struct TaskFinished {
  double at = 0;
  std::string task;
  std::int64_t step = 0;
  double training_loss = 0;
  double validation_loss = 0;
  std::string weights;  ///< empty: a script that names none
  double step_seconds = 0;
  std::int64_t of_steps = 0;  ///< that it was to have; a script may end early, and has finished then
  std::string why;            ///< why it ended before its last step, by its stop rule; empty: it did not
  std::string stop_rule;      ///< its stop rule then, as JSON; empty as `why` is
};
/// The gang has left and its devices are free. Follows TaskFinished, a stop, or a failure.
struct GangEnded {
  double at = 0;
  std::string task;
  std::string why;  ///< "finished", "stopped", or what went wrong
  bool failure = false;
  std::optional<double> asked_at{};  ///< when it was told to leave; empty: it was not, or in an older journal
};
/// The task is given up.
struct TaskFailed {
  double at = 0;
  std::string task;
  std::string why;
};
/// A task that was given up, or has more steps or another stop rule now than when it finished, is to be run
/// (again).
struct TaskReopened {
  double at = 0;
  std::string task;
};
/// The run is one of other tasks from here on: some are new, left out, or have changed (names). What is left
/// out is over, unless it has finished.
struct TasksChanged {
  double at = 0;
  std::vector<std::string> added;
  std::vector<std::string> dropped;
  std::vector<std::string> changed;
};
/// The task ran out of memory in this configuration: it is not used any more, nor for tasks of the same speed
/// signature.
struct ConfigurationRuledOut {
  double at = 0;
  std::string task;
  std::string parallelism;
  Knobs knobs;
  std::string device_kind;
  int devices = 0;
  std::string why;
  int nodes = 1;
};
/// Devices cannot be used any more in this session.
struct DevicesWentAway {
  double at = 0;
  std::string node;
  std::vector<int> devices;
  std::string why;
};
struct DevicesCameBack {
  double at = 0;
  std::string node;
  std::vector<int> devices;
};
/// Tasks that came in are measured on these devices; they go to nothing else until that has ended.
struct MeasuringStarted {
  double at = 0;
  std::string node;
  std::vector<int> devices;
};
/// On all nodes.
struct MeasuringEnded {
  double at = 0;
  std::string why;  ///< "3 trials measured", or what went wrong
};
/// The session ends in an orderly way: "done", "stopped by SIGINT", ...
struct SessionEnded {
  double at = 0;
  std::string why;
};

using Record = std::variant<SessionStarted, PlanAdopted, PlanKept, GangStarted, GangReleased,
                            CheckpointWritten, ValidationDone, RungPassed, TaskPaused, TaskFinished,
                            GangEnded, TaskFailed, TaskReopened, TasksChanged, ConfigurationRuledOut,
                            DevicesWentAway, DevicesCameBack, MeasuringStarted, MeasuringEnded, SessionEnded>;

/// One line of the journal, `{"record": "gang_started", ..., "sum": "<16 hex digits>"}\n`: the sum is
/// content_hash of the line's text before `,"sum"`.
std::string to_line(const Record& record);
/// Empty when the line is incomplete, its sum is wrong, or it is no record of this version.
std::optional<Record> parse_record(std::string_view line);
/// Whether the line is as it was written (by any version): its sum is right.
bool is_intact(std::string_view line);

}  // namespace saturn
