// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"
#include "plan/explain/alternatives.h"
#include "plan/explain/idle.h"
#include "plan/plan.h"
#include "plan/problem.h"

namespace saturn {

/// A configuration that a task could run in, and what that would do to the plan.
struct ConfigurationConsequence {
  Configuration configuration;
  bool planned = false;  ///< the one in the plan
  /// One that needs no more devices of the kind and takes no longer; "" = none (Pareto-optimal).
  std::string dominated_by;
  Consequence consequence;
};

/// A node that a task could run on. Of nodes that are alike only one is here.
struct NodeConsequence {
  std::string node;
  bool planned = false;
  Consequence consequence;
};

/// Why a task is where it is.
struct TaskExplanation {
  Assignment line;
  bool critical = false;               ///< whatever delays it delays the end of the plan
  double slack_seconds = 0;            ///< by so much it may end later, all else kept
  std::vector<std::string> waits_for;  ///< the tasks whose end it starts at
  double devices_free_seconds = 0;     ///< from when on its devices could be used at all
  std::vector<ConfigurationConsequence> configurations;
  std::vector<NodeConsequence> nodes;      ///< empty but for the task that was asked for
  std::optional<Consequence> without_pin;  ///< for the task that was asked for, when it is pinned
  std::vector<std::string> not_available;  ///< ways that were tried and cannot be planned, with the reason
};

/// The plan on a larger cluster.
struct WhatIf {
  std::string what;  ///< "one more device on every node", "one more node like 'n0' (8 x h100)"
  Consequence consequence;
};

struct Explanation {
  double makespan_seconds = 0;
  double lower_bound_seconds = 0;
  std::vector<std::string> chain;      ///< tasks one after another from a free start to the end of the plan
  std::vector<TaskExplanation> tasks;  ///< of every line in order, or of the one that was asked for
  std::vector<IdleSpan> idle;
  double idle_device_seconds = 0;
  double device_seconds = 0;     ///< of all devices from when they are free until the end of the plan
  std::vector<WhatIf> what_ifs;  ///< empty when one task was asked for
};

struct ExplainOptions {
  std::string task;  ///< "" = the whole plan
  Seconds time_limit{10};
  std::uint64_t seed = 0;
  const std::atomic<bool>* cancel = nullptr;  ///< set by another thread: what is not known yet stays open
};

/// With at most so many other configurations in all, those of a whole plan are solved for; up to the next
/// limit they are re-timed; above it they are left open.
constexpr size_t kMostSolved = 60;
constexpr size_t kMostRetimed = 1000;

/// Explains a plan that has passed check_plan for this problem (with its pins). Of the whole plan each task's
/// other configurations are tried, and larger clusters; of one task its configurations and the nodes it could
/// be on. A task's own pin does not count there. The time limit is shared by all that is solved. Errors:
/// InputError when there is no such task.
Explanation explain(const Problem& problem, const Plan& plan, const ExplainOptions& options);

/// "schema": "saturn.explanation/1".
nlohmann::ordered_json to_json(const Explanation& explanation);

}  // namespace saturn
