// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "plan/deadline.h"
#include "plan/instance.h"
#include "plan/schedule.h"

namespace saturn {

/// What the methods of one solve share: the best sequences so far and the best lower bound so far. One owner,
/// one thread. Does not own the instance.
class Search {
 public:
  Search(const Instance& instance, std::uint64_t seed, double gap)
      : instance_(&instance), seed_(seed), gap_(gap) {}

  const Instance& instance() const { return *instance_; }
  std::uint64_t seed() const { return seed_; }

  /// Takes the sequences when they end earlier than the best so far.
  bool offer(const Sequences& sequences, const std::string& method);
  bool has_plan() const { return makespan_ >= 0; }
  const Sequences& best() const { return best_; }
  Millis makespan() const { return makespan_; }
  const std::string& method() const { return method_; }

  /// Takes a proven lower bound when it is better than the one so far.
  void raise_bound(Millis bound, const std::string& method);
  Millis bound() const { return bound_; }
  const std::string& bound_method() const { return bound_method_; }

  /// Nothing is left to gain: the bound is met, or the gap that was asked for.
  bool done() const;

 private:
  const Instance* instance_;
  std::uint64_t seed_;
  double gap_;
  Sequences best_;
  Millis makespan_ = -1;
  std::string method_;
  Millis bound_ = 0;
  std::string bound_method_;
};

// The methods, each in a file of its own. Each improves the search until it has nothing more to try or the
// deadline has passed; none makes a claim that it has not proven.

/// construct.cpp. List scheduling: several limits on how wide tasks run, in several orders. Always leaves a
/// plan, however early the deadline.
void construct(Search& search, const Deadline& deadline);

/// anneal.cpp. Simulated annealing over the sequences; `iterations` moves at most, for the given round (each
/// round has other random numbers).
void anneal(Search& search, const Deadline& deadline, std::int64_t iterations, int round);

/// bounds.cpp. The area and critical-path bound: the least C for which every task has an option that can end
/// by C, and the least areas of such options fit into the devices' time before C.
void bound_by_area(Search& search);

/// bounds.cpp. Bisects for the largest C that the master program without cuts (master.h) refuses. Needs a
/// regular instance.
void bound_by_windows(Search& search, const Deadline& deadline);

}  // namespace saturn
