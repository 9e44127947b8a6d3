// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/document.h"

namespace saturn {

/// When a task ends before its last step. Whoever trains applies it.
struct StopRule {
  std::optional<double> validation_loss;  ///< the target: a validation at or below it ends the task
  std::int64_t patience = 0;              ///< validations in a row without an improvement; 0 = any number
  double min_improvement = 0;             ///< of the validation loss, on the one that improved last
  double after_seconds = 0;               ///< time of its gangs, start-up included; 0 = any

  bool empty() const { return !validation_loss && patience == 0 && after_seconds == 0; }
  bool operator==(const StopRule&) const = default;
};

/// A validation after `step` steps.
struct ValidationPoint {
  std::int64_t step = 0;
  double loss = 0;  ///< NaN: it was no finite number, which improves on nothing

  bool operator==(const ValidationPoint&) const = default;
};

/// Adds a validation; one of the same step as the last takes its place.
void add_validation(std::vector<ValidationPoint>& validations, ValidationPoint point);

/// Why a task with these validations, oldest first, and `seconds` of training behind it is to end: what the
/// rule says at the first validation that it is met by, or of the time. Empty: it goes on. Pure, so that a
/// task that was stopped and goes on ends where it would have ended undisturbed.
std::string reason_to_stop(const StopRule& rule, const std::vector<ValidationPoint>& validations,
                           double seconds);

/// Reads the map `stop` of a task; reports what is wrong with it.
StopRule read_stop_rule(const Value& value, Diagnostics& diagnostics);

/// The keys that the rule has, as in the workload; durations in seconds. Empty rules are {}.
nlohmann::ordered_json to_json(const StopRule& rule);

}  // namespace saturn
