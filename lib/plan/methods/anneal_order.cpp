// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <span>
#include <utility>

#include "plan/methods/best_fit.h"
#include "plan/model/index.h"

namespace saturn {
namespace {

constexpr double kAnyLateness = std::numeric_limits<double>::infinity();
constexpr double kCold = 0.02;        ///< of the first temperature, at the end
constexpr std::uint64_t kDecide = 3;  ///< one change in so many is a decision

/// What a round may decide about a task beside its turn; the rest is left to the waste.
enum class Decide { kNothing, kOption, kOptionOrNode };

struct Style {
  Decide decide;
  double heat;  ///< first temperature, in tasks' mean share of the devices' time
};
constexpr std::array kStyles{Style{Decide::kNothing, 0.1},       Style{Decide::kOptionOrNode, 0.07},
                             Style{Decide::kOption, 0.07},       Style{Decide::kNothing, 0.3},
                             Style{Decide::kOptionOrNode, 0.25}, Style{Decide::kOption, 0.25}};

/// By the device time that runs past the goal.
class OrderAnnealer {
 public:
  OrderAnnealer(Search& search, int round)
      : search_(search),
        instance_(search.instance()),
        style_(kStyles[at(round) % kStyles.size()]),
        random_(search.seed() * 1000003 + static_cast<std::uint64_t>(round) * 7919 + 29),
        packer_(instance_, search.prices()),
        turns_(turns_by(instance_, TurnOrder::kWidth, round % 2 == 0)) {
    double devices = 0;
    for (const InstanceNode& node : instance_.nodes) devices += static_cast<double>(node.free.size());
    hot_ = style_.heat * devices * static_cast<double>(search.makespan()) /
           static_cast<double>(instance_.tasks.size());
  }

  void run(const Deadline& deadline, std::int64_t effort) {
    if (turns_.empty()) return;  // all can only stay as they run
    aim();
    for (std::int64_t spent = 0; spent < effort && !search_.done();) {
      const std::int64_t steps = packer_.take_steps() + 1;  // a change that is none is work, too
      spent += steps;
      deadline.spend(steps);
      if (deadline.passed()) return;
      step(hot_ * std::pow(kCold, static_cast<double>(spent) / static_cast<double>(effort)));
    }
  }

 private:
  /// Just under the best plan: whatever ends by then is as good as it need be.
  Millis next_goal() const { return std::max(search_.bound(), search_.makespan() - search_.unit()); }

  void aim() {
    goal_ = next_goal();
    late_ = packer_.place(turns_, 0, goal_, kAnyLateness).late;
    packer_.keep();
  }

  void step(double temperature) {
    saved_ = turns_;
    const size_t from = change();
    if (from >= turns_.size()) return;
    // The most that may be accepted is drawn first: a worse schedule need not be finished.
    const double uniform = static_cast<double>((random_() >> 11) + 1) * 0x1.0p-53;
    const double most_late = late_ - temperature * std::log(uniform);
    const BestFit::Result result = packer_.place(turns_, from, goal_, most_late);
    if (result.late > most_late) {
      turns_.swap(saved_);
      return;
    }
    late_ = result.late;
    packer_.keep();
    if (result.finish < search_.makespan()) search_.offer(packer_.sequences(), "annealing of the order");
    if (goal_ != next_goal()) aim();
  }

  /// Late ones more often: little is placed anew after such a change, and the last tasks decide the end.
  size_t pick_turn() {
    const size_t any = random_() % turns_.size();
    return random_() % 2 == 0 ? any : std::max<size_t>(any, random_() % turns_.size());
  }

  /// Returns the first turn that has changed; the number of turns when none has.
  size_t change() {
    const size_t first = pick_turn();
    if (style_.decide != Decide::kNothing && random_() % kDecide == 0)
      return decide(turns_[first]) ? first : turns_.size();
    const size_t second = random_() % turns_.size();
    if (alike(turns_[first], turns_[second])) return turns_.size();
    const auto low = turns_.begin() + static_cast<std::ptrdiff_t>(std::min(first, second));
    const auto high = turns_.begin() + static_cast<std::ptrdiff_t>(std::max(first, second));
    switch (random_() % 4) {
      case 0:
        std::rotate(low, low + 1, high + 1);
        break;
      case 1:
        std::rotate(low, high, high + 1);
        break;
      default:
        std::iter_swap(low, high);
    }
    return std::min(first, second);
  }

  bool alike(const Turn& a, const Turn& b) const {
    return instance_.tasks[at(a.task)].task_class == instance_.tasks[at(b.task)].task_class &&
           a.node == b.node && a.devices == b.devices && a.stays == b.stays;
  }

  /// Takes a decision back, or makes one.
  bool decide(Turn& turn) {
    if (instance_.staying(turn.task) != nullptr && random_() % 2 == 0) {
      turn.stays = !turn.stays;
      return true;
    }
    const bool about_node = style_.decide == Decide::kOptionOrNode && random_() % 2 == 0;
    const int node = static_cast<int>(random_() % instance_.nodes.size());
    const std::span<const Option> options = instance_.options(turn.task, node);
    if (options.empty()) return false;
    int& decision = about_node ? turn.node : turn.devices;
    const int none = about_node ? -1 : 0;
    const int value = about_node ? node : options[random_() % options.size()].devices;
    const bool back = decision != none && random_() % 2 == 0;
    const int before = decision;
    decision = back ? none : value;
    return decision != before;
  }

  Search& search_;
  const Instance& instance_;
  Style style_;
  std::mt19937_64 random_;
  BestFit packer_;
  std::vector<Turn> turns_, saved_;
  Millis goal_ = 0;
  double late_ = 0;
  double hot_ = 0;
};

}  // namespace

void anneal_order(Search& search, const Deadline& deadline, std::int64_t effort, int round) {
  if (search.instance().tasks.empty() || search.done()) return;
  OrderAnnealer(search, round).run(deadline, effort);
}

}  // namespace saturn
