// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace saturn {

/// What a plan is to make least.
struct Objective {
  enum class Kind {
    kMakespan,        ///< the end of the last task
    kMeanCompletion,  ///< the end of a task, on average
    kDeadline         ///< device time, with the last task ending by `deadline_seconds`
  };
  Kind kind = Kind::kMakespan;
  double deadline_seconds = 0;  ///< from the start of the run; of kDeadline

  bool operator==(const Objective&) const = default;
};

/// "makespan", "mean_completion" or "deadline".
const char* name_of(Objective::Kind kind);

/// "makespan", "mean_completion", or "deadline=2h" with any duration; empty: it is none of them.
std::optional<Objective> parse_objective(std::string_view text);

}  // namespace saturn
