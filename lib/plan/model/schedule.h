// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <vector>

#include "plan/model/instance.h"

namespace saturn {

/// A task in a node's sequence, with the option it runs as.
struct Slot {
  int task = 0;  ///< index into Instance::tasks
  Option option;
};

/// Per node, the order in which its tasks are placed, each as early as possible; gangs that stay are placed
/// first, wherever they stand. Every schedule worth having is the decoding of some sequences.
using Sequences = std::vector<std::vector<Slot>>;

/// Puts a gang on devices that become free at these times, ascending: as early as it can start, on those that
/// became free last among those free by then, which leaves the longest-free ones to the tasks after it. The
/// times are new then. Returns its end.
Millis place_gang(std::vector<Millis>& free, int devices, Millis duration);
/// How long the devices that it would be put on stay idle before, in all.
Millis idle_before(const std::vector<Millis>& free, int devices);

/// The devices of one node that are interchangeable: only the times at which they become free matter.
class Timeline {
 public:
  explicit Timeline(std::vector<Millis> free);

  /// The earliest start of a gang of that size.
  Millis start(int devices) const { return free_[static_cast<size_t>(devices) - 1]; }
  /// See place_gang. Returns its end.
  Millis place(int devices, Millis duration) { return place_gang(free_, devices, duration); }
  const std::vector<Millis>& free() const { return free_; }  ///< ascending

 private:
  std::vector<Millis> free_;
};

/// What a node's sequence leads to.
struct NodeFinish {
  Millis finish = 0;       ///< the last end; 0 when the sequence is empty
  double free_sum = 0;     ///< sum over the devices of the time from which they stay free
  Millis area = 0;         ///< device time of its tasks
  double completions = 0;  ///< sum of its tasks' ends

  void add(const Option& option, Millis end) {
    finish = std::max(finish, end);
    area += option.area();
    completions += static_cast<double>(end);
  }
};
NodeFinish finish_of(const Instance& instance, int node, const std::vector<Slot>& sequence);

/// The placements of the sequences' tasks and of Instance::placed, with concrete devices (greedy interval
/// colouring, the same for the same input).
std::vector<Placement> decode(const Instance& instance, const Sequences& sequences);
Millis makespan_of(const std::vector<Placement>& placements);

}  // namespace saturn
