// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "plan/methods/walk.h"
#include "plan/model/search.h"

namespace saturn {
namespace {

/// Weight of the devices' mean free time beside the time over the goal: it keeps a slope where several nodes
/// end last together.
constexpr double kMeanWeight = 0.03;
constexpr double kFew = 20;  ///< tasks

class Annealer {
 public:
  Annealer(Search& search, int round)
      : search_(search),
        walk_(search.instance(), search.best(),
              search.seed() * 1000003 + static_cast<std::uint64_t>(round) * 7919 + 17) {
    const Instance& instance = search.instance();
    for (const InstanceNode& node : instance.nodes) devices_ += static_cast<double>(node.free.size());
    // Temperatures are fractions of the makespan; a wrong one gains nothing, so the rounds go through
    // several.
    static constexpr double kHot[] = {0.003, 0.01, 0.02};
    const double many = instance.tasks.size() > 300 ? 0.02 : 1;
    // Of few tasks each is a large part of the makespan, and so is every change.
    const double few = std::max(1.0, kFew / static_cast<double>(instance.tasks.size()));
    hot_ = kHot[static_cast<size_t>(round) % 3] * many * few;
    cold_ = instance.tasks.size() > 300 ? 2e-6 : 1e-4;
  }

  void run(const Deadline& deadline, std::int64_t iterations) {
    const auto makespan = static_cast<double>(search_.makespan());
    double temperature = 0;
    set_goal();
    for (std::int64_t i = 0; i < iterations; ++i) {
      if (i % 64 == 0) {
        deadline.spend(walk_.take_steps());
        if (deadline.passed() || search_.done()) return;
        const double done = static_cast<double>(i) / static_cast<double>(iterations);
        temperature = makespan * hot_ * std::pow(cold_ / hot_, done);
      }
      if (walk_.step(pick_node(), temperature)) look();
    }
  }

 private:
  /// Just under the best: what ends before it is as good as it need be.
  Millis goal() const { return std::max(search_.bound(), search_.makespan() - search_.unit()); }

  void set_goal() {
    goal_ = goal();
    walk_.set_cost({.limit = goal_, .over = 1, .free = kMeanWeight / devices_});
  }

  size_t pick_node() {
    if (walk_.below(2) == 0) return walk_.last_node();
    return walk_.below(walk_.sequences().size());
  }

  /// At where the walk has come to.
  void look() {
    if (walk_.finishes()[walk_.last_node()].finish < search_.makespan())
      search_.offer(walk_.sequences(), "annealing");
    if (goal() != goal_) set_goal();
  }

  Search& search_;
  Walk walk_;
  double devices_ = 0;
  Millis goal_ = 0;
  double hot_ = 0;
  double cold_ = 0;
};

}  // namespace

void anneal(Search& search, const Deadline& deadline, std::int64_t iterations, int round) {
  if (search.instance().tasks.empty() || search.done()) return;
  Annealer(search, round).run(deadline, iterations);
}

}  // namespace saturn
