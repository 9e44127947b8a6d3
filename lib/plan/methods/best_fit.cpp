// SPDX-License-Identifier: Apache-2.0
#include "plan/methods/best_fit.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "plan/model/index.h"

namespace saturn {
namespace {

/// The way of least device time in the group where that is most.
Option least_option(const InstanceTask& task) {
  Option result;
  for (const std::vector<Option>& options : task.options) {
    const auto least = std::min_element(options.begin(), options.end(),
                                        [](const Option& a, const Option& b) { return a.area() < b.area(); });
    if (least != options.end() && least->area() > result.area()) result = *least;
  }
  return result;
}

std::array<Millis, 3> key(TurnOrder order, const InstanceTask& task) {
  const Option option = least_option(task);
  const Millis tied = task.home >= 0 ? 2 : task.devices.empty() ? 0 : 1;
  switch (order) {
    case TurnOrder::kWidth:
      return {tied, option.devices, option.duration};
    case TurnOrder::kDuration:
      return {tied, option.duration, option.devices};
    case TurnOrder::kArea:
      return {tied, option.area(), option.devices};
  }
  return {};
}

}  // namespace

std::vector<Turn> turns_by(const Instance& instance, TurnOrder order, bool staying) {
  std::vector<std::pair<std::array<Millis, 3>, int>> keys;
  for (size_t t = 0; t < instance.tasks.size(); ++t)
    if (instance.tasks[t].home < 0 || !instance.must_stay(static_cast<int>(t)))
      keys.emplace_back(key(order, instance.tasks[t]), static_cast<int>(t));
  std::stable_sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<Turn> turns;
  for (const auto& [key, task] : keys)
    turns.push_back({task, -1, 0, staying && instance.staying(task) != nullptr});
  return turns;
}

BestFit::BestFit(const Instance& instance, const Prices& prices)
    : instance_(instance), rates_(at(instance.groups), 1) {
  for (size_t group = 0; group < prices.devices.size(); ++group)
    rates_[group] = std::max(prices.devices[group], 1e-9);
  for (const InstanceNode& node : instance.nodes) {
    released_.push_back(node.free);
    std::sort(released_.back().begin(), released_.back().end());
  }
  for (size_t t = 0; t < instance.tasks.size(); ++t) {
    const int task = static_cast<int>(t);
    const int home = instance.tasks[t].home;
    if (home < 0 || !instance.must_stay(task)) continue;
    rooted_.push_back({task, home, instance.staying(task)});
    place_gang(released_[at(home)], rooted_.back().option->devices, rooted_.back().option->duration);
  }
}

std::int64_t BestFit::take_steps() {
  return std::exchange(steps_, 0);
}

/// As good as the node before it in every way.
bool BestFit::is_twin(size_t node, const InstanceTask& task) const {
  return node > 0 && task.node < 0 && task.home != static_cast<int>(node) &&
         instance_.nodes[node].group == instance_.nodes[node - 1].group && free_[node] == free_[node - 1];
}

void BestFit::weigh(const Turn& turn, size_t node, Millis goal) {
  const int group = instance_.nodes[node].group;
  const std::vector<Millis>& free = free_[node];
  for (const Option& option : instance_.options(turn.task, static_cast<int>(node))) {
    if (turn.devices > 0 && option.devices != turn.devices) continue;
    const Millis start = free[at(option.devices) - 1];
    // Whoever stays does so from time 0 on, and before then there is nothing in the way.
    if (option.stays() ? start > 0 : turn.stays) continue;
    const Millis end = start + option.duration;
    const Choice choice{turn.task, static_cast<int>(node), &option};
    if (end < first_end_) first_end_ = end, first_ = choice;
    ++steps_;
    const double rate = rates_[at(group)];
    if (end > goal || rate * static_cast<double>(option.area()) >= least_waste_) continue;
    const Millis used = option.area() + idle_before(free, option.devices);
    if (rate * static_cast<double>(used) >= least_waste_) continue;
    least_waste_ = rate * static_cast<double>(used);
    least_ = choice;
  }
}

BestFit::Choice BestFit::choose_any(const Turn& turn, Millis goal) {
  const InstanceTask& task = instance_.tasks[at(turn.task)];
  least_ = first_ = {};
  least_waste_ = std::numeric_limits<double>::infinity();
  first_end_ = kForever;
  for (size_t node = 0; node < free_.size(); ++node) {
    if (turn.node >= 0 ? static_cast<int>(node) != turn.node : is_twin(node, task)) continue;
    if (task.may_use(static_cast<int>(node), instance_.nodes[node].group)) weigh(turn, node, goal);
  }
  return least_.node >= 0 ? least_ : first_;
}

BestFit::Choice BestFit::choose(const Turn& turn, Millis goal) {
  const Choice choice = choose_any(turn, goal);
  return choice.node >= 0 ? choice : choose_any({turn.task}, goal);
}

Millis BestFit::put(const Choice& choice) {
  placed_.push_back(choice);
  return place_gang(free_[at(choice.node)], choice.option->devices, choice.option->duration);
}

BestFit::Result BestFit::place(const std::vector<Turn>& turns, size_t from, Millis goal, double most_late) {
  free_ = released_;
  placed_.clear();
  Result result;
  for (const Choice& rooted : rooted_) {
    result.finish = std::max(result.finish, rooted.option->duration);
    result.late +=
        static_cast<double>(std::max<Millis>(0, rooted.option->duration - goal)) * rooted.option->devices;
  }
  for (size_t i = 0; i < turns.size(); ++i) {
    const Choice choice = i < from ? kept_[i] : choose(turns[i], goal);
    const Millis end = put(choice);
    result.finish = std::max(result.finish, end);
    result.late += static_cast<double>(std::max<Millis>(0, end - goal)) * choice.option->devices;
    if (result.late > most_late) break;
  }
  steps_ += static_cast<std::int64_t>(placed_.size());
  return result;
}

Sequences BestFit::sequences() const {
  Sequences sequences(instance_.nodes.size());
  for (const Choice& choice : rooted_) sequences[at(choice.node)].push_back({choice.task, *choice.option});
  for (const Choice& choice : placed_) sequences[at(choice.node)].push_back({choice.task, *choice.option});
  return sequences;
}

}  // namespace saturn
