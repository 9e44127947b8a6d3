// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "plan/across/list_scheduling.h"
#include "plan/model/deadline.h"

namespace saturn {

/// Which tasks go across nodes, and as what, when those all begin in front of the others: annealing by what
/// is left of the devices' time then. The makespan that a set leads to is taken for the least one that the
/// others' areas and durations allow behind it, which the solver of single nodes comes near. It sees far in
/// few steps, where annealing of all tasks' order does not. Turns of all tasks; empty for another objective
/// than makespan and deadline, and where the order of tasks is pinned.
std::optional<Turns> across_in_front(const Problem& problem, const ListScheduling& scheduling,
                                     std::uint64_t seed, const Deadline& deadline);

}  // namespace saturn
