// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "report/run_summary.h"
#include "run/accounting.h"
#include "run/run_directory.h"
#include "run/state.h"

namespace saturn {

/// What the run has come to, of the tasks given; log tails are read for failed ones. `state` and `accounts`
/// are of the same records.
RunSummary summarize(const RunDirectory& directory, const std::vector<TaskSpec>& tasks, const RunState& state,
                     const Accounts& accounts);

nlohmann::ordered_json to_json(const RunSummary& summary);

}  // namespace saturn
