// SPDX-License-Identifier: Apache-2.0
#include "workload/stop_rule.h"

#include <fmt/format.h>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "workload/limits.h"

namespace saturn {
namespace {

constexpr double kLargest = std::numeric_limits<double>::max();

/// Follows the validations one by one.
class Patience {
 public:
  explicit Patience(const StopRule& rule) : rule_(rule) {}

  void add(const ValidationPoint& point) {
    // The first finite loss improves on none; a NaN compares as no improvement.
    const bool improves =
        point.loss < best_.loss && (!has_best() || point.loss <= best_.loss - rule_.min_improvement);
    if (improves) best_ = point;
    without_ = improves ? 0 : without_ + 1;
  }
  bool used_up() const { return rule_.patience > 0 && without_ >= rule_.patience; }
  std::string reason() const {
    const std::string count =
        fmt::format("in {} validation{}", rule_.patience, rule_.patience == 1 ? "" : "s");
    if (!has_best()) return "the validation loss was no finite number " + count;
    const std::string least = rule_.min_improvement > 0 ? fmt::format(" of {}", rule_.min_improvement) : "";
    return fmt::format("no improvement{} on {:.5g} (step {}) {}", least, best_.loss, best_.step, count);
  }

 private:
  bool has_best() const { return best_.loss < std::numeric_limits<double>::infinity(); }

  const StopRule& rule_;
  ValidationPoint best_{0, std::numeric_limits<double>::infinity()};
  std::int64_t without_ = 0;
};

}  // namespace

void add_validation(std::vector<ValidationPoint>& validations, ValidationPoint point) {
  if (!validations.empty() && validations.back().step == point.step) validations.pop_back();
  validations.push_back(point);
}

std::string reason_to_stop(const StopRule& rule, const std::vector<ValidationPoint>& validations,
                           double seconds) {
  Patience patience(rule);
  for (const ValidationPoint& point : validations) {
    if (rule.validation_loss && point.loss <= *rule.validation_loss)
      return fmt::format("validation loss {:.5g} at step {} reached the target {}", point.loss, point.step,
                         *rule.validation_loss);
    patience.add(point);
    if (patience.used_up()) return patience.reason();
  }
  if (rule.after_seconds == 0 || seconds < rule.after_seconds) return "";
  return to_text_duration(Seconds(rule.after_seconds)) + " of training are used up";
}

StopRule read_stop_rule(const Value& value, Diagnostics& diagnostics) {
  MapReader reader(value, "stop", diagnostics);
  StopRule rule;
  const double target = reader.number("validation_loss", 0, -kLargest, kLargest);
  if (reader.has("validation_loss")) rule.validation_loss = target;
  rule.patience = reader.integer("patience", 0, 1, kMostSteps);
  rule.min_improvement = reader.number("min_improvement", 0, 0, 1e9);
  rule.after_seconds = reader.seconds("after", reader.has("after") ? 1 : 0);  // 1: what was wrong is said
  if (reader.has("after") && rule.after_seconds == 0) reader.error("after", "must be more than 0");
  if (reader.has("min_improvement") && !reader.has("patience"))
    reader.error("min_improvement", "needs 'patience': it says what counts as an improvement");
  if (reader.is_map() && value.members.empty())
    diagnostics.error(reader.mark(), "stop is empty: give 'validation_loss', 'patience' or 'after'");
  reader.finish();
  return rule;
}

nlohmann::ordered_json to_json(const StopRule& rule) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  if (rule.validation_loss) json["validation_loss"] = *rule.validation_loss;
  if (rule.patience > 0) json["patience"] = rule.patience;
  if (rule.patience > 0) json["min_improvement"] = rule.min_improvement;
  if (rule.after_seconds > 0) json["after"] = rule.after_seconds;
  return json;
}

}  // namespace saturn
