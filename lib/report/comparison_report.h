// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "plan/baselines/baselines.h"
#include "plan/explain/compare.h"
#include "plan/plan.h"
#include "report/style.h"

namespace saturn {

/// Two plans beside each other: their totals, then a line per task that differs (what differs, and how it
/// runs in either), and the number of those that do not.
std::string comparison_report(const PlanComparison& comparison, const Style& style);

/// The plan and the baselines, a line each: makespan, how many times the plan's that is, how much of the
/// devices' time until then is used, and what the baseline does. `devices` is the cluster's number of them.
std::string baseline_table(const Plan& plan, const std::vector<Baseline>& baselines, int devices,
                           const Style& style);

}  // namespace saturn
