// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>
#include <vector>

#include "plan/across/gangs.h"
#include "plan/model/instance.h"
#include "plan/model/score.h"
#include "plan/problem.h"

namespace saturn {

/// One way to run a task, on one node or across several.
struct Way {
  int configuration = 0;  ///< index into ProblemTask::configurations, or kStays
  int nodes = 1;
  size_t devices = 0;  ///< on each node
  Millis duration = 0;
  std::vector<int> places;  ///< nodes it may be on; just those, rank 0's first, where they are pinned

  Millis area() const { return static_cast<Millis>(devices) * nodes * duration; }
};

/// A task's turn to be placed.
struct Turn {
  int task = 0;   ///< index into Problem::tasks
  int way = 0;    ///< index into its ways
  int node = -1;  ///< that it is to be on, if it may; -1: where it ends first
};
using Turns = std::vector<Turn>;

/// List scheduling of all tasks together, gangs across nodes among them: one after another, each as early as
/// the devices are free that those before it leave. Every schedule worth having is the result of some order
/// (that of its starts). Slower than the sequences of single nodes (model/schedule.h), for which all of a
/// node's tasks are independent of the other nodes.
class ListScheduling {
 public:
  /// Places the tasks with a pinned start. Does not own the problem. Errors: InputError with all that is
  /// wrong with what concerns gangs across nodes.
  explicit ListScheduling(const Problem& problem);

  /// Those without a pinned start; each has its turn.
  const std::vector<int>& open() const { return open_; }
  /// Those that are worth it: no other takes no more nodes, devices on each and time.
  const std::vector<Way>& ways(int task) const { return ways_[static_cast<size_t>(task)]; }
  /// Of the problem.
  size_t task_count() const { return ways_.size(); }
  /// Whether the order of some tasks is pinned.
  bool is_ordered() const { return ordered_; }
  /// The tasks with a pinned start.
  const std::vector<Gang>& pinned() const { return pinned_; }

  struct Outcome {
    Score score;
    double free_sum = 0;  ///< sum over the devices of the time from which they stay free
  };
  Outcome outcome(const Turns& turns) const;
  /// From when on each node's devices stay free, ascending, when these alone have been placed.
  std::vector<std::vector<Millis>> free_after(const Turns& turns) const;
  /// The pinned ones first, then by turn.
  std::vector<Gang> gangs(const Turns& turns) const;
  /// Turns that lead to the plan, or to much the same. The plan is valid.
  Turns turns_of(const Plan& plan) const;
  /// The tasks that one of the gangs across nodes, or one of their kind with a pinned start, is to follow.
  bool precedes_gang_across(int task, const std::vector<Gang>& gangs) const;

 private:
  struct Busy {
    Millis start;
    Millis end;
  };
  /// Devices of a node by the time at which they become free, ascending; of equal ones the highest first.
  using Free = std::vector<std::pair<Millis, int>>;
  struct State;

  void add_pinned(std::vector<std::string>& errors);
  void add_ways(std::vector<std::string>& errors);
  void add_staying(int task);
  void add_order(std::vector<std::string>& errors);
  bool pinned_in_the_way(const Running& running, Millis duration) const;
  void place_all(const Turns& turns, State& state) const;
  void place(const Turns& turns, size_t turn, State& state) const;
  Millis earliest(const State& state, int node, const Way& way, int task, Millis from) const;
  std::pair<Millis, std::vector<int>> choose_nodes(const State& state, const Turn& turn, const Way& way,
                                                   Millis from) const;
  int choose_node(const State& state, const Turn& turn, const Way& way, Millis from, Millis& start) const;
  std::vector<int> take(State& state, int node, const Way& way, int task, Millis start) const;
  const std::vector<int>* wanted(int task, const Way& way, int node) const;
  bool is_clear(int node, int device, Millis start, Millis end) const;

  const Problem& problem_;
  std::vector<Gang> pinned_;
  std::vector<int> open_;
  std::vector<std::vector<Way>> ways_;          ///< per task
  std::vector<std::vector<GangPart>> devices_;  ///< per task, those that it is pinned to
  std::vector<std::vector<int>> after_;         ///< per task, open ones that end before it starts
  std::vector<Millis> not_before_;              ///< per task
  std::vector<bool> first_;                     ///< per task: it must end before a pinned start
  bool ordered_ = false;
  std::vector<Free> released_;                           ///< per node
  std::vector<std::vector<std::vector<Busy>>> islands_;  ///< per node and device, pinned gangs
  std::vector<bool> has_islands_;                        ///< per node
};

}  // namespace saturn
