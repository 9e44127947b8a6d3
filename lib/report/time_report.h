// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report/run_summary.h"
#include "report/style.h"

namespace saturn {

/// Where the time of the devices went: seconds and share of every part that is not 0, and their sum, to
/// which the numbers add up as they are shown. Empty when no time went by.
std::string device_time_table(const Accounts& accounts, const Style& style);

/// Where the time of every task went, in seconds; each line adds up to the makespan.
std::string task_time_table(const RunSummary& summary, const Style& style);

/// The parts as whole numbers of units that add up to what `whole` is as one: those that are nearest to the
/// next number get what rounding down leaves over. The parts add up to the whole, and none is below 0.
std::vector<std::int64_t> apportion(const std::vector<double>& parts, double whole, double unit);

}  // namespace saturn
