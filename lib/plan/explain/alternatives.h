// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "plan/model/deadline.h"
#include "plan/plan.h"
#include "plan/problem.h"

namespace saturn {

/// What a change to the problem does to the plan.
struct Consequence {
  enum class How {
    kPlanned,    ///< no change: the plan itself
    kSolved,     ///< everything else was planned anew
    kRetimed,    ///< everything else stays in its place and order
    kImpossible  ///< there is no such plan, or none was found by re-timing
  };
  How how = How::kImpossible;
  double makespan_seconds = 0;     ///< of the best plan known with it
  double lower_bound_seconds = 0;  ///< no plan with it ends earlier; 0: nothing is proven
  std::string why_not;             ///< kImpossible
};

/// The plan with the task in another configuration: on its node, or where it ends earliest if it does not fit
/// there. Order, nodes and configurations of all others stay; devices are dealt out anew but for pinned ones.
/// Empty when that is no plan of the problem. The task's own pin must allow the configuration.
std::optional<Plan> with_configuration(const Problem& problem, const Plan& plan, const std::string& task,
                                       int configuration);

/// Solves the changed problem until the deadline; `known` is a plan of it, or null. Everything but the best
/// plan's and the bound's values is dropped.
Consequence solve_changed(const Problem& problem, const Plan* known, const Deadline& deadline,
                          std::uint64_t seed);

}  // namespace saturn
