// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "report/style.h"
#include "run/record.h"

namespace saturn {

/// Something of a run that is worth telling afterwards.
struct Happening {
  double at_seconds = 0;  ///< since the start of the run, all its sessions one after the other
  std::string text;
};

/// What did not go as the first plan had it: failures, early ends, tasks that came and went, devices lost and
/// back, other plans, sessions that were stopped or killed. In the journal's order. Pure.
std::vector<Happening> what_happened(const std::vector<Record>& records);

/// A line each, the last `most` of them; empty without any.
std::string history_table(const std::vector<Happening>& happenings, std::size_t most, const Style& style);

}  // namespace saturn
