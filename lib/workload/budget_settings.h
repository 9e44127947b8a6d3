// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/document.h"

namespace saturn {

/// What a whole run may use (run.budget); it ends there, whatever is left. Not to be confused with the
/// objective `deadline`, by which a plan only aims to end.
struct BudgetSettings {
  enum class Deadline { kNone, kAfter, kTimeOfDay, kAt };

  Deadline deadline = Deadline::kNone;
  /// kAfter: from the first start of the run; kTimeOfDay: after midnight, local time; kAt: since 1970, UTC.
  double deadline_seconds = 0;
  std::string deadline_text;  ///< as it is written
  double device_hours = 0;    ///< of all gangs together; 0 = any
  Mark mark{};                ///< of the deadline, for messages

  bool operator==(const BudgetSettings& other) const {
    return deadline == other.deadline && deadline_seconds == other.deadline_seconds &&
           device_hours == other.device_hours;
  }
};

/// The map's key `budget`; reports what is wrong with it. Nothing is limited when it is missing.
BudgetSettings read_budget(MapReader& run);

/// The deadline in seconds since 1970 (UTC) of a run that was first started then; infinity without one. A
/// time of day is the first such time after that start.
double deadline_at(const BudgetSettings& budget, double first_start);

/// "deadline 12h, 96 device-hours": what is limited, as it is written.
std::string to_text(const BudgetSettings& budget);

}  // namespace saturn
