// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "plan/problem.h"

namespace saturn {

/// Planning counts in whole milliseconds: sums are exact, and bound, makespan and gap agree.
using Millis = std::int64_t;
/// Later than any time.
constexpr Millis kForever = std::numeric_limits<Millis>::max();

inline double in_seconds(Millis millis) {
  return static_cast<double>(millis) / 1000;
}

/// Whether it can be planned with: 0 to 10^9 s.
bool is_time(double seconds);
/// To the nearest millisecond, at least 1.
Millis duration_millis(double seconds);
/// Up to the next millisecond: nothing starts before its device is free.
Millis release_millis(double seconds);

/// In place of a configuration's index: the gang that runs already stays (ProblemTask::running).
constexpr int kStays = -1;

/// One way to run a task on nodes of one group.
struct Option {
  /// Index into ProblemTask::configurations, or kStays; of `across`, minus the number of nodes.
  int configuration = 0;
  int devices = 0;
  Millis duration = 0;

  /// A gang of as many devices on each of several nodes. Only where bounds look for what no plan can beat
  /// (across/relaxation.h): no method places it. The index tells it, so that options are no larger for it.
  static Option across(int nodes, int devices, Millis duration) { return {-nodes, devices, duration}; }
  int nodes() const { return configuration < kStays ? -configuration : 1; }
  int devices_per_node() const { return devices / nodes(); }
  Millis area() const { return devices * duration; }
  bool stays() const { return configuration == kStays; }
  /// The same shape; the configuration's index does not count, but staying is a shape of its own.
  bool same_shape(const Option& other) const {
    return devices == other.devices && duration == other.duration && stays() == other.stays();
  }
};

/// A task with its place and time.
struct Placement {
  int task = 0;           ///< index into Problem::tasks
  int configuration = 0;  ///< or kStays
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
  /// A gang of it runs on this node, on `home_devices`, and may stay; -1 = none.
  int home = -1;
  std::vector<int> home_devices;
  bool uprooted = false;  ///< pinned tasks may be in the way: no plan is looked for in which it stays
  /// Per group: Pareto-optimal, by ascending device count; in that of `home` then the one to stay, which
  /// holds on that node alone and from time 0 on. Whoever looks at groups as a whole takes it for usable on
  /// all of their nodes, at any time: bounds may.
  std::vector<std::vector<Option>> options;

  /// Those to start anew.
  std::span<const Option> moves(int group) const {
    const std::span<const Option> all = options[static_cast<size_t>(group)];
    return !all.empty() && all.back().stays() ? all.first(all.size() - 1) : all;
  }
  /// Those that there are on this node of that group.
  std::span<const Option> options_on(int on_node, int group) const {
    return on_node == home && !uprooted ? options[static_cast<size_t>(group)] : moves(group);
  }
  bool may_use(int on_node, int group) const {
    return (node < 0 || node == on_node) && !options_on(on_node, group).empty();
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
  bool running = false;           ///< some tasks run already, and may stay
  bool ordered = false;           ///< some tasks' order is pinned
  std::vector<Placement> placed;  ///< every task with a pinned start
  /// The placed ones that are not just a later release of their devices: usable time lies before them, or the
  /// pin left a choice. `island_tasks` says what that choice was.
  std::vector<Placement> islands;
  std::vector<InstanceTask> island_tasks;
  Millis floor = 0;  ///< no plan ends before, because of pinned starts
  /// Devices of a node are interchangeable: no islands, no task pinned to devices. (Those of gangs that run
  /// already are: all are free at time 0, and there is one for each.)
  bool regular = true;

  /// The placed tasks that are no islands: nothing is left to decide about them. In a `relaxed` instance,
  /// too.
  std::vector<Placement> fixed() const;
  std::span<const Option> options(int task, int node) const {
    return tasks[static_cast<size_t>(task)].options_on(node, nodes[static_cast<size_t>(node)].group);
  }
  /// From when on as many nodes as the option is for have room for their parts; `task` has it on all that it
  /// may use.
  Millis start_across(const InstanceTask& task, const Option& option) const;
  /// The option to stay, on the task's home; null when it has none.
  const Option* staying(int task) const {
    const int home = tasks[static_cast<size_t>(task)].home;
    const std::span<const Option> all = home < 0 ? std::span<const Option>() : options(task, home);
    return !all.empty() && all.back().stays() ? &all.back() : nullptr;
  }
  /// Whether the task has no option but to stay.
  bool must_stay(int task) const {
    for (int group = 0; group < groups; ++group)
      if (!tasks[static_cast<size_t>(task)].moves(group).empty()) return false;
    return true;
  }
};

/// Groups the tasks into classes, and says whether devices are interchangeable.
void classify(Instance& instance);

/// Configurations across nodes do not count: see across/solve_across.h. Errors: InputError with everything
/// that makes the problem unsolvable: times that are no times, tasks that fit on no node, pins that name what
/// is not there or contradict each other.
Instance make_instance(const Problem& problem);

/// The instance with islands and device pins taken as tasks free to place: regular, and every plan of
/// `instance` is one of it, so its bounds hold. (Its plans are none of the problem's.)
Instance relaxed(const Instance& instance);

}  // namespace saturn
