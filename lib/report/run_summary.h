// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "run/accounting.h"

namespace saturn {

/// How one task of a run stands or ended.
struct TaskSummary {
  enum class State { kWaiting, kTraining, kStopped, kFinished, kFailed };

  std::string name;
  State state = State::kWaiting;
  std::int64_t steps = 0;      ///< done
  std::int64_t of_steps = 0;   ///< that it is to have
  double training_loss = 0;    ///< finished ones
  double validation_loss = 0;  ///< finished ones; NaN when there was no validation
  double planned_seconds = 0;  ///< by the plan that the run began with
  double real_seconds = 0;     ///< its gangs' time so far
  TaskTime time;               ///< where the run's time went for it
  std::string weights;         ///< file of the final parameters
  std::string ended_early;     ///< why it finished before its last step; empty: it did not
  std::string message;         ///< what went wrong
  std::string log_tail;        ///< of a failed one
};

/// What a run has come to; filled from its journal.
struct RunSummary {
  std::string directory;
  std::vector<TaskSummary> tasks;  ///< in the workload's order
  double planned_makespan_seconds = 0;
  double real_makespan_seconds = 0;
  double idle_fraction = 0;  ///< of devices x makespan: there, and no gang held the device
  Accounts accounts;
};

}  // namespace saturn
