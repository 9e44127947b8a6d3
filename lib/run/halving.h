// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "run/state.h"
#include "workload/task.h"
#include "workload/workload.h"

namespace saturn {

/// What becomes of a task at the last rung that it has come to.
struct RungVerdict {
  enum class Kind { kGoesOn, kWaits, kIsOut };
  Kind kind = Kind::kGoesOn;
  std::int64_t rung = 0;  ///< its step
  int place = 0;          ///< among those that have come there, from 1
  int of = 0;

  bool operator==(const RungVerdict&) const = default;
};

/// Asynchronous successive halving (Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys
/// 2020): of the tasks that have come to a rung, a step at which all are validated, the best share goes on.
/// One that is not among them waits, since those still to come make the share larger; when none is to come
/// any more it is out, and the best of a rung always goes on. What has gone on once is not judged at that
/// rung again. Tasks that failed or were dropped do not count. Only tasks that have come to a rung and are
/// not over have a verdict; by name, in the order of `tasks`. Pure.
std::vector<std::pair<std::string, RungVerdict>> rung_verdicts(const HalvingSettings& settings,
                                                               const std::vector<TaskSpec>& tasks,
                                                               const RunState& state);

/// Whether the task's validation after that step counts at a rung: it is the first from there on. Pure.
bool decides(const HalvingSettings& settings, const TaskState& task, std::int64_t step);

/// The step that the task is to be planned to: the next rung that it is not known to pass, or its end. Pure.
std::int64_t planned_steps(const HalvingSettings& settings, const TaskSpec& task, const TaskState* state);

}  // namespace saturn
