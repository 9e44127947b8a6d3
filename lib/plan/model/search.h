// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "plan/model/deadline.h"
#include "plan/model/instance.h"
#include "plan/model/schedule.h"

namespace saturn {

/// What device time is worth, as far as a bound could tell: it guides the methods.
struct Prices {
  std::vector<double> tasks;    ///< per class: what one of its tasks is worth
  std::vector<double> devices;  ///< per group: what all the time of a device until the bound is worth
};

/// How far a search has come.
struct SearchState {
  Millis makespan = -1;  ///< of the best plan so far; negative: none yet
  Millis bound = 0;
  std::string method;
  std::string bound_method;
};

/// What the methods of one solve share: the best sequences so far and the best lower bound so far. Any thread
/// may call anything. Does not own the instance.
class Search {
 public:
  Search(const Instance& instance, std::uint64_t seed, double gap);

  const Instance& instance() const { return *instance_; }
  std::uint64_t seed() const { return seed_; }
  /// Every makespan is a multiple of it: the greatest common divisor of all times.
  Millis unit() const { return unit_; }

  /// Called from now on with every better plan and every better bound, by the thread that found it, one at a
  /// time; at once, when there is something to tell. It must not call this search. Empty = nobody listens.
  using Listener = std::function<void(const SearchState&)>;
  void listen(Listener listener);

  /// Takes the sequences when they end earlier than the best so far.
  bool offer(const Sequences& sequences, const std::string& method);
  /// A plan that ends then is known, but not as sequences: `best` stays as it is.
  void know(Millis makespan);
  bool has_plan() const { return makespan() >= 0; }
  Sequences best() const;
  Millis makespan() const { return makespan_.load(std::memory_order_relaxed); }
  std::string method() const;

  /// Takes a proven lower bound, rounded up to a multiple of the unit, when it is better than the one so far.
  void raise_bound(Millis bound, const std::string& method);
  Millis bound() const { return bound_.load(std::memory_order_relaxed); }
  std::string bound_method() const;

  /// Empty until some method has found them.
  Prices prices() const;
  void set_prices(Prices prices);

  /// From now on a plan that ends by then is as good as any.
  void set_enough(Millis makespan) { enough_ = makespan; }
  /// Nothing is left to gain: the bound is met, or the gap that was asked for, or the plan is good enough.
  bool done() const;

 private:
  void tell() const;

  const Instance* instance_;
  std::uint64_t seed_;
  double gap_;
  Millis unit_;
  Millis enough_ = 0;
  std::atomic<Millis> makespan_{-1};
  std::atomic<Millis> bound_{0};
  mutable std::mutex mutex_;  ///< of all below
  Sequences best_;
  std::string method_;
  std::string bound_method_;
  Prices prices_;
  Listener listener_;
};

// The methods, each in a file of its own. Each improves the search until it has nothing more to try or the
// deadline has passed; none makes a claim that it has not proven.

/// construct.cpp. List scheduling by waste (best_fit.h), in several orders, up to a goal that is bisected
/// between the bound and the best plan. Always leaves a plan, however early the deadline.
void construct(Search& search, const Deadline& deadline);

/// anneal.cpp. Simulated annealing over the sequences; `iterations` moves at most, for the given round (each
/// round has other random numbers).
void anneal(Search& search, const Deadline& deadline, std::int64_t iterations, int round);

/// anneal_order.cpp. Simulated annealing over the order in which best fit (best_fit.h) places the tasks, with
/// a goal just under the best plan; some rounds decide about options and nodes, too. About `effort` steps of
/// work (deadline.h). Needs a regular instance.
void anneal_order(Search& search, const Deadline& deadline, std::int64_t effort, int round);

/// area_bound.cpp. The area and critical-path bound: the least C for which every task has an option that can
/// end by C, and the least areas of such options fit into the devices' time before C.
void bound_by_area(Search& search);

}  // namespace saturn
