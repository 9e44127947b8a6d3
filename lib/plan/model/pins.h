// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "plan/model/instance.h"
#include "plan/problem.h"

namespace saturn {

/// The configurations and nodes that a task may still use, its pin applied.
std::vector<int> allowed_configurations(const ProblemTask& task);
/// Whether the whole gang fits on that node.
bool fits_on(const Configuration& configuration, const ProblemNode& node);
/// Whether one node's part of the gang does.
bool may_be_on(const Configuration& configuration, const ProblemNode& node);
/// Whether there are as many nodes as the gang is for, with room for it.
bool fits(const Configuration& configuration, const std::vector<ProblemNode>& nodes);

/// Whether two gangs of one node have a device in common.
bool share_a_device(const std::vector<int>& a, const std::vector<int>& b);

/// Appends to `errors` what is wrong with each pin by itself: names of things that are not there, a
/// configuration that does not fit the node, devices that do not match the configuration.
void check_pins(const Problem& problem, std::vector<std::string>& errors);

/// Places every task with a pinned start; what its pin leaves open (configuration, node, devices) is chosen
/// so that all of them fit and each ends early. Appends to `errors` the tasks for which no room is left.
/// Needs pins that `check_pins` found nothing wrong with.
std::vector<Placement> place_pinned(const Problem& problem, std::vector<std::string>& errors);

}  // namespace saturn
