// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "workload/knobs.h"
#include "workload/objective.h"

namespace saturn {

/// One way to run a task to its end: a row of the profile, turned into a whole duration.
struct Configuration {
  std::string parallelism;
  Knobs knobs;
  std::string device_kind;
  int devices = 0;              ///< gang size, all on one node
  double duration_seconds = 0;  ///< start-up, steps, validations and checkpoints

  bool operator==(const Configuration&) const = default;
};

/// A decision that a person (or a running gang) has already taken. Every part but the task is optional.
struct Pin {
  std::optional<int> configuration;  ///< index into ProblemTask::configurations
  std::optional<int> node;           ///< index into Problem::nodes
  std::vector<int> devices;          ///< device indices within the node; empty = free
  std::optional<double> start_seconds;
  /// Tasks (indices into Problem::tasks) that end before this one starts. All of them are pinned to a node
  /// and devices, and share one with this task.
  std::vector<int> after{};
};

struct ProblemTask {
  std::string name;
  std::vector<Configuration> configurations;
  std::optional<Pin> pin;
};

struct ProblemNode {
  std::string name;
  std::string kind;
  std::vector<double> free_at_seconds;  ///< per device: busy until then (0 = free from the start)
};

/// SPASE (paper, section 4): choose for every task a configuration, a node, devices of that node and a start
/// time, so that no device is used twice at once and the last task ends as early as possible, or another
/// objective is least. Plain data.
struct Problem {
  std::vector<ProblemNode> nodes;
  std::vector<ProblemTask> tasks;
  Objective objective{};
};

}  // namespace saturn
