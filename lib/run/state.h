// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "run/record.h"

namespace saturn {

/// Where one task stands.
struct TaskState {
  enum class Phase { kWaiting, kStarting, kTraining, kPaused, kFinished, kFailed, kDropped };

  Phase phase = Phase::kWaiting;
  bool holds_devices = false;                    ///< a gang of it has not left yet
  std::int64_t step = 0;                         ///< that a new gang would go on from: the last checkpoint's
  std::int64_t live_step = 0;                    ///< of the running gang
  double step_seconds = 0;                       ///< observed under the configuration last used; 0 = not yet
  std::optional<GangStarted> gang;               ///< the last one
  std::optional<GangStarted> earlier_gang;       ///< the last one before it whose speed was observed
  double earlier_step_seconds = 0;               ///< its speed
  int starts = 0;                                ///< gangs so far
  int failures = 0;                              ///< gangs that ended in failure
  std::vector<ConfigurationRuledOut> ruled_out;  ///< in which it ran out of memory; each is one of `failures`
  double planned_seconds = 0;                    ///< by the plan when it was first started
  double busy_seconds = 0;                       ///< gang time so far, ended gangs
  double device_seconds = 0;                     ///< the same times the number of devices
  std::int64_t finished_of = 0;                  ///< steps that it was to have when it finished
  std::string ended_early;                       ///< why it finished before its last step; empty: it did not
  std::string stop_rule;                         ///< that it finished early by, as JSON
  std::map<std::int64_t, double> validations;    ///< losses by step
  std::int64_t rung_passed = 0;                  ///< the last rung of the halving after which it goes on
  double training_loss = 0;
  double validation_loss = 0;
  std::string weights;
  std::string message;  ///< what went wrong last

  bool over() const {
    return phase == Phase::kFinished || phase == Phase::kFailed || phase == Phase::kDropped;
  }
};

/// Where a run stands: what its journal adds up to.
struct RunState {
  std::map<std::string, TaskState> tasks;  ///< by name
  int sessions = 0;
  std::optional<double> began_at{};  ///< when the first session began, in seconds since 1970 (UTC)
  double session_began_at = 0;       ///< and the last one
  double earlier_seconds = 0;        ///< length of the sessions before this one
  double device_seconds = 0;         ///< of all gangs that have ended
  double session_seconds = 0;        ///< `at` of this session's last record
  std::vector<PlanAdopted> plans;
  int plans_kept = 0;                                ///< looks that left the plan as it was
  std::set<std::pair<std::string, int>> lost;        ///< (node, device) that cannot be used in this session
  std::map<std::string, std::set<int>> held;         ///< devices that gangs have, by node
  std::map<std::string, std::set<int>> measuring{};  ///< devices that are kept for trials, by node
  int measurings = 0;                                ///< that have ended
  std::string ended;  ///< why the last session ended; empty while it runs or when it was killed

  /// How often the plan was looked at.
  int looks() const { return static_cast<int>(plans.size()) + plans_kept; }
  double elapsed_seconds() const { return earlier_seconds + session_seconds; }
  /// Where the task stands; null: nothing has happened to it yet.
  const TaskState* task(const std::string& name) const;
  /// Whether there is nothing left to do of it.
  bool is_over(const std::string& name) const;
};

/// What the record changes. Pure: the executor and a reader of the journal come to the same state.
void apply(RunState& state, const Record& record);

/// The state after all records.
RunState replay(const std::vector<Record>& records);

}  // namespace saturn
