// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
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
  int devices = 0;              ///< gang size
  double duration_seconds = 0;  ///< start-up, steps, validations and checkpoints
  int nodes = 1;                ///< different ones that the gang is on, as many devices on each

  int devices_per_node() const { return devices / nodes; }
  bool operator==(const Configuration&) const = default;
};

/// " over 2 nodes"; "" for one.
inline std::string across_text(int nodes) {
  return nodes == 1 ? "" : " over " + std::to_string(nodes) + " nodes";
}

/// Devices of one of the problem's nodes.
struct GangPart {
  int node = 0;              ///< index into Problem::nodes
  std::vector<int> devices;  ///< within the node

  bool operator==(const GangPart&) const = default;
};

/// A decision that a person (or a running gang) has already taken. Every part but the task is optional.
struct Pin {
  std::optional<int> configuration;  ///< index into ProblemTask::configurations
  /// Index into Problem::nodes: with `further` all nodes of the gang, rank 0's first.
  std::optional<int> node;
  std::vector<int> devices;  ///< device indices within the node; empty = free
  std::optional<double> start_seconds;
  /// Tasks (indices into Problem::tasks) that end before this one starts. All of them are pinned to a node
  /// and devices, and share one with this task.
  std::vector<int> after{};
  /// Of a gang across nodes whose nodes are pinned: the others; devices are empty where they are free.
  std::vector<GangPart> further{};
};

/// The gang that a task has already. It may stay as it is, from time 0 on, or the task starts anew as one of
/// its configurations, which then hold what the switch costs.
struct Running {
  int node = 0;                     ///< index into Problem::nodes
  std::vector<int> devices;         ///< within the node, all free from time 0 on; no other gang runs on them
  Configuration staying;            ///< as it runs; the duration is what is left of it
  std::vector<GangPart> further{};  ///< its parts on other nodes
};

struct ProblemTask {
  std::string name;
  std::vector<Configuration> configurations;  ///< none: it can only stay as it runs
  std::optional<Pin> pin;
  /// Does not count beside a pin that it is against: to a start, to another place or configuration, to run
  /// after others.
  std::optional<Running> running{};
};

struct ProblemNode {
  std::string name;
  std::string kind;
  std::vector<double> free_at_seconds;  ///< per device: busy until then (0 = free from the start)
};

/// What a run may use, from now on; infinite: any.
struct Budget {
  double seconds = std::numeric_limits<double>::infinity();
  double device_seconds = std::numeric_limits<double>::infinity();

  bool limited() const { return std::isfinite(seconds) || std::isfinite(device_seconds); }
  bool operator==(const Budget&) const = default;
};

/// SPASE (paper, section 4): choose for every task a configuration, a node (or as many as it is for), devices
/// of it and a start time, so that no device is used twice at once and the last task ends as early as
/// possible, or another objective is least. Plain data.
struct Problem {
  std::vector<ProblemNode> nodes;
  std::vector<ProblemTask> tasks;
  Objective objective{};
  /// Where not everything can end within it, as many tasks as possible do; the others use what is left.
  Budget budget{};
};

/// Whether some task has, or runs as, a gang on several nodes.
bool has_gangs_across_nodes(const Problem& problem);

}  // namespace saturn
