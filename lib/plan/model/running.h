// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "plan/model/instance.h"
#include "plan/problem.h"

namespace saturn {

/// Appends to `errors` what is wrong with the gangs that run already: places that are not there, shapes that
/// are none of their node's, devices that are busy or run another gang, too.
void check_running(const Problem& problem, std::vector<std::string>& errors);

/// Whether a gang of the task runs already and its pin allows it to stay.
bool may_stay(const ProblemTask& task);

/// Gives a task of which a gang runs already its home and the option to stay there; the other options and
/// the instance's nodes are there.
void add_staying(const ProblemTask& task, const Instance& instance, InstanceTask& added);

/// Sees where pinned tasks stand against staying: takes the option back where they leave no choice, and marks
/// the task as uprooted where they may. The instance is complete but for its classes. Appends to `errors` the
/// tasks that could do nothing else.
void yield_to_pinned(const Problem& problem, Instance& instance, std::vector<std::string>& errors);

}  // namespace saturn
