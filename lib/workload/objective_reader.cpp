// SPDX-License-Identifier: Apache-2.0
#include "workload/objective_reader.h"

namespace saturn {

Objective read_objective(MapReader& map) {
  const Value* value = map.value("objective");
  if (value == nullptr) return {};
  if (value->kind == Value::Kind::kMap) {
    MapReader reader(*value, map.what().empty() ? "objective" : map.what() + ".objective", map.diagnostics());
    Objective objective{Objective::Kind::kDeadline, 0};
    if (reader.require("deadline")) {
      objective.deadline_seconds = reader.seconds("deadline", 1);
      if (objective.deadline_seconds <= 0) reader.error("deadline", "must be more than 0");
    }
    reader.finish();
    return objective;
  }
  if (value->kind == Value::Kind::kScalar && value->scalar == "deadline") {
    map.error("objective", "needs a time: {deadline: 2h}");
    return {};
  }
  const std::string word = map.choice("objective", "makespan", {"makespan", "mean_completion"});
  return word == "mean_completion" ? Objective{Objective::Kind::kMeanCompletion, 0} : Objective{};
}

}  // namespace saturn
