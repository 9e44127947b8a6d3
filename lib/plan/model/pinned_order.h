// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "plan/model/instance.h"
#include "plan/model/schedule.h"
#include "plan/problem.h"

namespace saturn {

/// Takes the pins' order (Pin::after) into the instance, which is complete but for that. Appends to `errors`
/// what is wrong with it: tasks that are not there, that are not pinned to devices or share none, orders that
/// go round, and tasks that cannot end before the pinned start of one that is to follow.
void pin_order(const Problem& problem, Instance& instance, std::vector<std::string>& errors);

/// The sequence with the tasks of pinned order in that order: they change places among themselves, and those
/// that must end before a pinned start come first, so that nothing keeps them from it.
std::vector<Slot> in_pinned_order(const Instance& instance, const std::vector<Slot>& sequence);

}  // namespace saturn
