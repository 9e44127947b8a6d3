// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "plan/problem.h"
#include "profile/profile.h"
#include "run/state.h"
#include "workload/workload.h"

namespace saturn {

struct RunSetup;

/// What it takes, in seconds, that a gang of a task trains at all: as measured, of the task's slowest way.
struct GangCosts {
  double startup_seconds = 0;
  double step_seconds = 0;
  double validation_seconds = 0;  ///< 0 when it is validated at its end alone
  double checkpoint_seconds = 0;
};

/// By task name; tasks that were not measured are not there. Pure.
std::map<std::string, GangCosts> gang_costs(const std::vector<TaskSpec>& tasks, const RunSettings& settings,
                                            const Profile& profile);

/// How long before the end of the budget a gang is told to leave: for the step under way, a validation, and
/// the checkpoints of all gangs that leave the node's disk at the same time (`checkpoint_seconds`), with
/// something over. Without costs of the task: `stop_grace`. Pure.
double leave_seconds(const RunSetup& setup, const std::string& task, double step_seconds,
                     double checkpoint_seconds);

/// The budget of a run as a session sees it that begins then (seconds since 1970, UTC): `seconds` from its
/// beginning to the deadline, and the device time of the whole run. Pure.
Budget session_budget(const BudgetSettings& settings, const RunState& state, double session_start);

/// The device time of all gangs until `now` of the session, those that still run included. Pure.
double used_device_seconds(const RunState& state, double now);

/// What is left to plan with where the run stands: what the gangs need at the end to leave is taken off.
/// Unlimited without a budget. Pure.
Budget budget_left(const RunSetup& setup, const RunState& state);

}  // namespace saturn
