// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "base/document.h"
#include "workload/workload.h"

namespace saturn {

/// The sections of a workload file beside its tasks. Each looks for its key in `workload` and reports what is
/// wrong; a missing section has the defaults.
ClusterSpec read_cluster(MapReader& workload);
/// What `read_cluster` reads as this. Pure.
nlohmann::ordered_json cluster_section(const ClusterSpec& spec);
ProfileSettings read_profile(MapReader& workload);
PlanSettings read_plan(MapReader& workload);
/// `directory` stays as written, empty when it is not given.
RunSettings read_run(MapReader& workload);

}  // namespace saturn
