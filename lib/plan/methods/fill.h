// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "plan/model/deadline.h"
#include "plan/model/instance.h"

namespace saturn {

/// Tasks that are alike, offered to a node.
struct FillClass {
  int count = 0;
  bool must = false;            ///< all of them are to go onto this node
  Millis worth = 0;             ///< device time that one of them is worth: what it costs at its cheapest
  std::vector<Option> options;  ///< on this node
};

/// Which tasks, and how, fill a node so that little of its devices' time is lost.
struct FillRequest {
  std::vector<FillClass> classes;
  std::vector<Millis> free;  ///< per device: from when on it can be used
  Millis limit = 0;          ///< the last end
  /// Device time that may be lost: idle until `limit`, and spent beyond the tasks' worth.
  Millis most_waste = 0;
  bool all = false;    ///< every task must be placed; idle time at the end is then no waste
  size_t width = 100;  ///< partial schedules kept per level
  /// A partial schedule's waste is taken as up to this share larger, at random, of itself and of
  /// `fair_waste`.
  double noise = 0;
  Millis fair_waste = 0;
  double waste_per_task = 0;  ///< added for every task: large, fewer and larger tasks go first
  std::uint64_t seed = 0;
};

/// A filling: what runs, in order of start, each as early as the devices allow.
struct Filling {
  std::vector<std::pair<int, int>> order;  ///< class and option, indices into the request
  Millis waste = 0;
};

/// A beam search over partial schedules, levelled by the device time that they have used up. Returns at most
/// `most` fillings of different tasks, the least wasteful first; none when it found none. Incomplete: that
/// none is found proves nothing. The same for the same request.
std::vector<Filling> fill_node(const FillRequest& request, size_t most, const Deadline& deadline);

}  // namespace saturn
