// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cluster/cluster.h"
#include "plan/plan.h"
#include "report/style.h"

namespace saturn {

/// A task on a device, in seconds from the start.
struct GanttBar {
  std::string label;
  double start_seconds = 0;
  double end_seconds = 0;

  bool operator==(const GanttBar&) const = default;
};
/// What one device does.
struct GanttRow {
  std::string device;          ///< "NODE:INDEX"
  std::vector<GanttBar> bars;  ///< not overlapping
};

/// A row per device of the cluster (also those that the plan does not use), in its order.
std::vector<GanttRow> gantt_rows(const Plan& plan, const Cluster& cluster);

/// A picture of the rows, `style.width` columns wide: a bar per task with as much of its name as fits, dots
/// where the device is idle, and a time axis up to the end of the last bar. Neighbouring rows that show the
/// same are one row.
std::string gantt(const std::vector<GanttRow>& rows, const Style& style);

}  // namespace saturn
