// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "plan/across/list_scheduling.h"
#include "plan/model/deadline.h"
#include "plan/model/score.h"

namespace saturn {

/// By what list schedules are compared, for an objective.
Criterion criterion_of(const Objective& objective);

/// The best of a few simple orders: the longest first, those across nodes first or in their place among the
/// others, each task as wide as pays by several measures.
Turns first_turns(const Problem& problem, const ListScheduling& scheduling);

/// Simulated annealing over the turns: their order, ways and nodes. Rounds of more and more moves, each from
/// the best so far, until the deadline. Never worse than `turns`.
Turns anneal_turns(const Problem& problem, const ListScheduling& scheduling, Turns turns, std::uint64_t seed,
                   const Deadline& deadline);

}  // namespace saturn
