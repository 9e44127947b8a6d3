// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "report/run_summary.h"
#include "report/style.h"

namespace saturn {

/// The finished tasks by validation loss, the best first; those without a number last. A task that ended
/// early says why. Empty without any.
std::string leaderboard(const RunSummary& summary, const Style& style);

/// The last words of a run: failed tasks with their log's tail, how many tasks did not finish and how far
/// they came, planned and real makespan, where the device time went, the best task and where the weights are.
std::string run_report(const RunSummary& summary, const Style& style);

/// A line per task: state, steps, loss, planned and real seconds; for `show RUN_DIR`.
std::string task_table(const RunSummary& summary, const Style& style);

}  // namespace saturn
