// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace saturn {

/// A plan in a few numbers.
struct PlanTotals {
  std::string file;             ///< empty: from no file
  double makespan_seconds = 0;  ///< by its lines: of an edited plan the field need not be true
  double lower_bound_seconds = 0;
  double gap = 0;
  double device_seconds = 0;  ///< sum over the tasks of devices times duration
  size_t tasks = 0;
};
PlanTotals totals_of(const Plan& plan);

/// One task that the two plans treat differently.
struct TaskDifference {
  std::string task;
  std::optional<Assignment> before;  ///< empty: the task is new
  std::optional<Assignment> after;   ///< empty: the task is gone
  // In both plans, but with another:
  bool configuration = false;  ///< parallelism, knobs, or number of devices or nodes
  bool node = false;           ///< or nodes
  bool devices = false;        ///< numbers of the devices
  bool start = false;          ///< by more than half a millisecond
  bool duration = false;       ///< likewise

  bool moved() const { return configuration || node || devices; }
  bool differs() const { return !before || !after || moved() || start || duration; }
};

struct PlanComparison {
  PlanTotals before;
  PlanTotals after;
  std::vector<TaskDifference> differences;  ///< in the order of `after`, then those that are gone
  int unchanged = 0;                        ///< tasks that differ in nothing
};
PlanComparison compare(const Plan& before, const Plan& after);

/// "schema": "saturn.comparison/1".
nlohmann::ordered_json to_json(const PlanComparison& comparison);

}  // namespace saturn
