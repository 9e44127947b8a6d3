// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "report/style.h"
#include "run/state.h"
#include "workload/task.h"

namespace saturn {

/// A run at one moment of a session. Nothing is owned.
struct LiveRun {
  const std::vector<TaskSpec>& tasks;
  const RunState& state;
  const Plan& plan;                           ///< in force
  const std::map<std::string, int>& devices;  ///< of each node
  double now = 0;                             ///< seconds since the session's start
};

/// From 0 to 1: steps done, each task weighed by its planned time.
double fraction_done(const LiveRun& run);

/// Until the end, if what runs goes on at its speed and the rest takes as long as planned, in the plan's
/// order.
double seconds_left(const LiveRun& run);

/// "34 %, 3/12 tasks, 8:20 left".
std::string live_line(const LiveRun& run);

/// At most `height` lines, `style.width` columns wide: the whole run (done, left, its estimated length
/// against the planned one), then a line per gang and per group of idle or lost devices: task, progress,
/// time left, speed, steps, parallelism. When there is no room for all of them the last line says how many
/// are left out.
std::vector<std::string> live_view(const LiveRun& run, const Style& style, int height);

}  // namespace saturn
