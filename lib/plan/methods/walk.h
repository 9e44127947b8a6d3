// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "plan/model/cost.h"
#include "plan/model/instance.h"
#include "plan/model/schedule.h"

namespace saturn {

/// A walk over sequences, a small change at a time: another option, another position, another node, two tasks
/// that swap. What annealing is made of. Does not own the instance; one owner, one thread.
class Walk {
 public:
  Walk(const Instance& instance, Sequences start, std::uint64_t seed);

  /// Counts the cost of all nodes anew by another weighting.
  void set_cost(const NodeCost& cost);

  /// Tries one change to `from`, and maybe another node. It is kept when the cost does not rise by more than
  /// chance allows at that temperature. Returns whether it was; then the sequences may have changed.
  bool step(size_t from, double temperature);

  /// At random, less than `count`.
  size_t below(size_t count) { return static_cast<size_t>(random_() % count); }

  const Sequences& sequences() const { return current_; }
  const std::vector<NodeFinish>& finishes() const { return finishes_; }  ///< per node
  double cost() const { return cost_; }
  size_t last_node() const { return last_; }  ///< the one that ends last
  /// Work done since the last call, in steps (deadline.h).
  std::int64_t take_steps();

 private:
  double uniform() { return static_cast<double>(random_() >> 11) * 0x1.0p-53; }
  void find_last();
  void keep_last(size_t node, const NodeFinish& before);
  void finish_anew(size_t node);
  bool reconfigure(Slot& slot, size_t node);
  bool change_within(size_t node);
  Option option_on(const Slot& slot, size_t node);
  bool change_across(size_t from, size_t to);

  const Instance& instance_;
  std::mt19937_64 random_;
  Sequences current_;
  std::vector<NodeFinish> finishes_;
  std::vector<Slot> saved_from_, saved_to_;
  NodeCost weights_;
  double cost_ = 0;
  size_t last_ = 0;
  std::int64_t steps_ = 0;  ///< not yet reported
};

}  // namespace saturn
