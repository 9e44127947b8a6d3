// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <limits>

#include "plan/methods/best_fit.h"

namespace saturn {
namespace {

constexpr std::array kOrders{TurnOrder::kWidth, TurnOrder::kArea, TurnOrder::kDuration};
constexpr int kGoals = 10;  ///< asked for each order

}  // namespace

void construct(Search& search, const Deadline& deadline) {
  BestFit packer(search.instance(), search.prices());
  // First with all staying that run already, then as each choice comes.
  for (const bool staying : {true, false})
    for (const TurnOrder order : kOrders) {
      if (!staying && !search.instance().running) continue;
      const std::vector<Turn> turns = turns_by(search.instance(), order, staying);
      Millis low = std::max<Millis>(1, search.bound());
      Millis goal = low;
      for (int asked = 0; asked < kGoals; ++asked) {
        if (search.has_plan() && (deadline.passed() || search.done())) return;
        const BestFit::Result result = packer.place(turns, 0, goal, std::numeric_limits<double>::infinity());
        deadline.spend(packer.take_steps());
        search.offer(packer.sequences(), "best fit");
        if (result.late > 0) low = goal + 1;
        // A goal that is too near spoils the end, one that is too far all of it.
        goal = low + (search.makespan() - low) / 2;
        if (goal >= search.makespan()) break;
      }
    }
}

}  // namespace saturn
