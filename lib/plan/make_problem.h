// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cluster/cluster.h"
#include "plan/problem.h"
#include "profile/profile.h"
#include "workload/workload.h"

namespace saturn {

/// Steps still to do, by task; tasks that are not in it have all of theirs left.
using RemainingSteps = std::map<std::string, std::int64_t>;

/// How long `steps` steps of the task take as measured, the last ones of it: start-up, the steps, the
/// validations and checkpoints on the way (the latter every `checkpoint_every_steps`, or else every
/// checkpoint interval), and one of each at the end.
double duration_seconds(const TaskSpec& task, const Measured& measured, const RunSettings& run,
                        std::int64_t steps);

/// The planning problem: per task every (parallelism, device count, device kind, number of nodes) that was
/// measured, is allowed for the task and fits some nodes, with its best candidate of knobs; every device free
/// from the start. Errors: InputError with every task that can run in no way, and for each way that was tried
/// why not.
Problem make_problem(const std::vector<TaskSpec>& tasks, const Cluster& cluster, const Profile& profile,
                     const RunSettings& run, const RemainingSteps& remaining = {});

/// Empty, or why the task can run in no way that was tried, with the reason for each.
std::string why_impossible(const TaskSpec& task, const Cluster& cluster, const Profile& profile);

/// The ways to run the task that were tried but are no configurations of it, each with the reason: "fsdp on 1
/// x cpu: out of memory: ...".
std::vector<std::string> unavailable_ways(const TaskSpec& task, const Cluster& cluster,
                                          const Profile& profile);

}  // namespace saturn
