// SPDX-License-Identifier: Apache-2.0
#include "workload/objective.h"

#include "base/units.h"

namespace saturn {
namespace {

constexpr std::string_view kDeadlinePrefix = "deadline=";

}  // namespace

const char* name_of(Objective::Kind kind) {
  switch (kind) {
    case Objective::Kind::kMakespan:
      return "makespan";
    case Objective::Kind::kMeanCompletion:
      return "mean_completion";
    case Objective::Kind::kDeadline:
      return "deadline";
  }
  return "";
}

std::optional<Objective> parse_objective(std::string_view text) {
  if (text == "makespan") return Objective{};
  if (text == "mean_completion") return Objective{Objective::Kind::kMeanCompletion, 0};
  if (!text.starts_with(kDeadlinePrefix)) return std::nullopt;
  const std::optional<Seconds> deadline = parse_duration(std::string(text.substr(kDeadlinePrefix.size())));
  if (!deadline || deadline->count() <= 0) return std::nullopt;
  return Objective{Objective::Kind::kDeadline, deadline->count()};
}

}  // namespace saturn
