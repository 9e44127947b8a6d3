// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "plan/plan.h"
#include "profile/profile.h"
#include "run/gang.h"
#include "run/state.h"

namespace saturn {

/// The measured row of an assignment or gang: its knobs, else the best of that parallelism and count; null =
/// none was measured.
const Measured* measured_for(const RunSetup& setup, const Profile& profile, const GangStarted& gang);
/// The same of a task that the setup need not have, on devices of that kind.
const Measured* measured_for(const TaskSpec& task, const std::string& device_kind, const Profile& profile,
                             const GangStarted& gang);

/// How much slower (over 1) or faster the tasks are than their profile says, by task name: a task's own speed
/// where it was observed (of its gang, else of the last one before it for which it was), else the mean of
/// those with the same speed signature, else the median of all; 1 without any.
std::map<std::string, double> observed_slowness(const RunSetup& setup, const Profile& profile,
                                                const RunState& state);

}  // namespace saturn
