// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "plan/explain/explain.h"
#include "report/style.h"

namespace saturn {

/// The explanation for people. Of a whole plan: the chain of tasks that makes it as long as it is, a line per
/// task with its slack and its cheapest other configuration, idle devices with the reason, and what a larger
/// cluster would give. Of one task: when and why it starts, and a line per configuration and sort of node
/// with what it would make of the plan.
std::string explain_report(const Explanation& explanation, const Style& style);

}  // namespace saturn
