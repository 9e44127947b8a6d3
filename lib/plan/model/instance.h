// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plan/problem.h"

namespace saturn {

/// Planning counts in whole milliseconds: sums are exact, and bound, makespan and gap agree.
using Millis = std::int64_t;

/// To the nearest millisecond, at least 1.
Millis duration_millis(double seconds);
/// Up to the next millisecond: nothing starts before its device is free.
Millis release_millis(double seconds);

/// One way to run a task on nodes of one group.
struct Option {
  int configuration = 0;  ///< index into ProblemTask::configurations
  int devices = 0;
  Millis duration = 0;

  Millis area() const { return devices * duration; }
  /// The same shape; the configuration's index does not count.
  bool same_shape(const Option& other) const {
    return devices == other.devices && duration == other.duration;
  }
};

/// A task with its place and time.
struct Placement {
  int task = 0;  ///< index into Problem::tasks
  int configuration = 0;
  int node = 0;
  std::vector<int> devices;  ///< ascending
  Millis start = 0;
  Millis duration = 0;

  Millis end() const { return start + duration; }
};

struct InstanceNode {
  int group = 0;             ///< nodes of one group have the same kind and number of devices
  std::vector<Millis> free;  ///< per device: from when on it can be used
};

struct InstanceTask {
  int task = 0;              ///< index into Problem::tasks
  int task_class = 0;        ///< index into Instance::classes
  int node = -1;             ///< pinned to it; -1 = any
  std::vector<int> devices;  ///< pinned to them; empty = any
  std::vector<int> after;    ///< indices into Instance::tasks: they end before it starts
  int rank = -1;             ///< of a task whose order is pinned: all of `after` have less
  Millis not_before = 0;     ///< when the last of those with a pinned start ends
  bool first = false;        ///< it must end before one with a pinned start: it is placed first
  std::vector<std::vector<Option>> options;  ///< per group: Pareto-optimal, by ascending device count

  bool may_use(int on_node, int group) const {
    return (node < 0 || node == on_node) && !options[static_cast<size_t>(group)].empty();
  }
};

/// Tasks that differ in nothing that matters to the plan (learning-rate twins).
struct TaskClass {
  std::vector<int> members;  ///< indices into Instance::tasks
};

/// A Problem as the methods see it: integer times, dominated configurations dropped, twins grouped, tasks
/// with a pinned start placed.
struct Instance {
  std::vector<InstanceNode> nodes;
  int groups = 0;
  std::vector<InstanceTask> tasks;  ///< those left to place
  std::vector<TaskClass> classes;
  bool ordered = false;           ///< some tasks' order is pinned
  std::vector<Placement> placed;  ///< every task with a pinned start
  /// The placed ones that are not just a later release of their devices: usable time lies before them, or the
  /// pin left a choice. `island_tasks` says what that choice was.
  std::vector<Placement> islands;
  std::vector<InstanceTask> island_tasks;
  Millis floor = 0;     ///< no plan ends before, because of pinned starts
  bool regular = true;  ///< devices of a node are interchangeable: no islands, no task pinned to devices

  /// The placed tasks that are no islands: nothing is left to decide about them. In a `relaxed` instance,
  /// too.
  std::vector<Placement> fixed() const;
  const std::vector<Option>& options(int task, int node) const {
    return tasks[static_cast<size_t>(task)]
        .options[static_cast<size_t>(nodes[static_cast<size_t>(node)].group)];
  }
};

/// Errors: InputError with everything that makes the problem unsolvable: times that are no times, tasks that
/// fit on no node, pins that name what is not there or contradict each other.
Instance make_instance(const Problem& problem);

/// The instance with islands and device pins taken as tasks free to place: regular, and every plan of
/// `instance` is one of it, so its bounds hold. (Its plans are none of the problem's.)
Instance relaxed(const Instance& instance);

}  // namespace saturn
