// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "plan/problem.h"

namespace saturn {

/// Current practice: every task on a whole node, its fastest configuration there, one after another; nodes
/// side by side. A task that fits only across nodes takes as many whole nodes.
Plan whole_node_baseline(const Problem& problem);

/// What a plan is worth is seen beside plans that are made without a solver.
struct Baseline {
  std::string name;
  std::string rule;  ///< what it does, in a few words
  Plan plan;         ///< valid for the problem without its pins; no bound, no hashes
};

/// The paper's baselines, in this order:
/// - current practice: `whole_node_baseline`;
/// - max: every task on as many devices of its node as it can use;
/// - min: every task on as few devices as it needs;
/// - random: configuration, node and order by lot, the same ones for the same seed;
/// - Optimus-greedy (after Peng et al., Optimus, EuroSys 2018): every task gets its least number of devices,
///   then the next device always goes to the task whose duration it shortens most, while the cluster has one.
/// The fastest parallelism for the number of devices is taken; max, min and Optimus-greedy start the longest
/// task first, each on the node where it ends earliest. Pins do not count. A task that fits on no node goes
/// across nodes, where it ends earliest; one that fits nowhere is left out (`solve` reports it).
std::vector<Baseline> baselines(const Problem& problem, std::uint64_t seed);

}  // namespace saturn
