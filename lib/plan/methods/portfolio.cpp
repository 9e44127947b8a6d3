// SPDX-License-Identifier: Apache-2.0
#include "plan/methods/portfolio.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "plan/bounds/bisection.h"
#include "plan/methods/exact.h"
#include "plan/methods/refill.h"

namespace saturn {
namespace {

constexpr std::int64_t kShortAnnealing = 20000;
constexpr int kShortRounds = 3;
constexpr int kAttempts = 10;  ///< of filling nodes anew, per turn
constexpr size_t kSmall = 16;  ///< tasks that the exact method usually manages at once
constexpr size_t kLargestLanes = 2000;
constexpr size_t kLargestFilling = 400;  ///< above, annealing gains more in the same time
constexpr size_t kLargestOrder = 1000;   ///< above, a turn's work is spent by placing all tasks a few times
constexpr std::int64_t kFirstEffort = 5000000;  ///< of annealing the order, in steps; later turns take more
constexpr std::int64_t kMostEffort = 1000000000;

/// Better plans: annealing, of the sequences and of the order in turn, and node filling after each.
class Improver {
 public:
  Improver(Search& search, int number)
      : search_(search),
        refill_(search, search.seed() * 1000003 + static_cast<std::uint64_t>(number)),
        round_(number * 1000),
        order_round_(number * 1000) {
    const Instance& instance = search.instance();
    fills_ = instance.regular && instance.tasks.size() <= kLargestFilling;
    orders_ = instance.regular && instance.tasks.size() <= kLargestOrder;
  }

  void step(const Deadline& deadline) {
    if (filling_)
      refill_.run(deadline, kAttempts);
    else
      step_annealing(deadline);
    filling_ = fills_ && !filling_;
  }

 private:
  void step_annealing(const Deadline& deadline) {
    if (ordering_) {
      anneal_order(search_, deadline, effort_, order_round_++);
      effort_ = std::min(effort_ + effort_ / 8, kMostEffort);
    } else {
      anneal(search_, deadline, iterations_, round_++);
      iterations_ = std::min<std::int64_t>(iterations_ + iterations_ / 4, 10000000);
    }
    ordering_ = orders_ && !ordering_;
  }

  Search& search_;
  Refill refill_;
  int round_, order_round_;
  bool fills_ = false, orders_ = false;      ///< at all
  bool filling_ = false, ordering_ = false;  ///< next
  std::int64_t iterations_ = kShortAnnealing;
  std::int64_t effort_ = kFirstEffort;
};

/// Better bounds: from the quick ones to the exact method.
class Prover {
 public:
  explicit Prover(Search& search)
      : search_(search),
        widths_(bound_by_widths(search)),
        lanes_(bound_by_lanes(search)),
        windows_(bound_by_windows(search)),
        exact_(search) {}

  /// False when there is nothing left to try.
  bool step(const Deadline& deadline) {
    const size_t tasks = search_.instance().tasks.size();
    if (!search_.instance().regular) return false;
    if (widths_.step(deadline)) return true;
    if (tasks <= kLargestLanes && lanes_.step(deadline)) return true;
    if (tasks > kLargestExact) return false;
    if (windows_.step(deadline)) return true;
    exact_.run(deadline.within(slice_));
    slice_ *= 1.5;
    return true;
  }

  void prove_small(const Deadline& deadline) { exact_.run(deadline); }

 private:
  Search& search_;
  Bisection widths_;
  Bisection lanes_;
  Bisection windows_;
  Exact exact_;
  Seconds slice_{1};
};

bool over(const Search& search, const Deadline& deadline) {
  return search.done() || deadline.passed();
}

void take_turns(Search& search, const Deadline& deadline) {
  Improver improver(search, 0);
  Prover prover(search);
  bool proving = true;
  while (!over(search, deadline)) {
    improver.step(deadline);
    if (proving && !over(search, deadline)) proving = prover.step(deadline);
  }
}

void run_side_by_side(Search& search, const Deadline& deadline, int threads) {
  std::vector<std::thread> others;
  const auto improve = [&](int number) {
    Improver improver(search, number);
    while (!over(search, deadline)) improver.step(deadline);
  };
  others.emplace_back([&] {
    Prover prover(search);
    while (!over(search, deadline) && prover.step(deadline)) {
    }
    improve(1);
  });
  for (int number = 2; number < threads; ++number) others.emplace_back(improve, number);
  improve(0);
  for (std::thread& other : others) other.join();
}

}  // namespace

void run_portfolio(Search& search, const Deadline& deadline, int threads) {
  bound_by_area(search);
  construct(search, deadline);
  for (int round = 0; round < kShortRounds && !over(search, deadline); ++round)
    anneal(search, deadline, kShortAnnealing, round);
  if (search.instance().regular && search.instance().tasks.size() <= kSmall && !over(search, deadline))
    Prover(search).prove_small(deadline.within(deadline.left() / 4));
  if (over(search, deadline)) return;
  if (threads > 1)
    run_side_by_side(search, deadline, threads);
  else
    take_turns(search, deadline);
}

}  // namespace saturn
