// SPDX-License-Identifier: Apache-2.0
#include "plan/methods/walk.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace saturn {

Walk::Walk(const Instance& instance, Sequences start, std::uint64_t seed)
    : instance_(instance), random_(seed), current_(std::move(start)) {
  finishes_.resize(current_.size());
  for (size_t n = 0; n < current_.size(); ++n) finish_anew(n);
}

void Walk::set_cost(const NodeCost& cost) {
  weights_ = cost;
  cost_ = 0;
  for (const NodeFinish& finish : finishes_) cost_ += weights_.of(finish);
  find_last();
}

std::int64_t Walk::take_steps() {
  return std::exchange(steps_, 0);
}

void Walk::finish_anew(size_t node) {
  finishes_[node] = finish_of(instance_, static_cast<int>(node), current_[node]);
}

void Walk::find_last() {
  const auto last =
      std::max_element(finishes_.begin(), finishes_.end(),
                       [](const NodeFinish& a, const NodeFinish& b) { return a.finish < b.finish; });
  last_ = static_cast<size_t>(last - finishes_.begin());
}

/// The node's finish has changed from `before`.
void Walk::keep_last(size_t node, const NodeFinish& before) {
  if (finishes_[node].finish > finishes_[last_].finish)
    last_ = node;
  else if (node == last_ && finishes_[node].finish < before.finish)
    find_last();
}

bool Walk::step(size_t from, double temperature) {
  if (current_[from].empty()) return false;
  size_t to = from;
  if (current_.size() > 1 && below(2) == 0) to = below(current_.size());
  saved_from_ = current_[from];
  saved_to_ = current_[to];
  steps_ += static_cast<std::int64_t>(saved_from_.size() + saved_to_.size());
  if (!(to == from ? change_within(from) : change_across(from, to))) {
    current_[from] = saved_from_;
    current_[to] = saved_to_;
    return false;
  }
  const NodeFinish old_from = finishes_[from];
  const NodeFinish old_to = finishes_[to];
  finish_anew(from);
  if (to != from) finish_anew(to);
  double changed = cost_ - weights_.of(old_from) + weights_.of(finishes_[from]);
  if (to != from) changed += weights_.of(finishes_[to]) - weights_.of(old_to);
  if (changed <= cost_ || uniform() < std::exp((cost_ - changed) / temperature)) {
    cost_ = changed;
    keep_last(from, old_from);
    if (to != from) keep_last(to, old_to);
    return true;
  }
  current_[from] = saved_from_;
  current_[to] = saved_to_;
  finishes_[from] = old_from;
  finishes_[to] = old_to;
  return false;
}

bool Walk::reconfigure(Slot& slot, size_t node) {
  const std::span<const Option> options = instance_.options(slot.task, static_cast<int>(node));
  if (options.size() < 2) return false;
  const Option& other = options[below(options.size())];
  if (other.same_shape(slot.option)) return false;
  slot.option = other;
  return true;
}

bool Walk::change_within(size_t node) {
  std::vector<Slot>& sequence = current_[node];
  const size_t at = below(sequence.size());
  const size_t kind = below(4);
  bool changed = false;
  if (kind == 0 || kind == 3) changed = reconfigure(sequence[at], node);
  if (sequence.size() < 2) return changed;
  const size_t other = below(sequence.size());
  if (kind == 1) {
    std::swap(sequence[at], sequence[other]);
    return at != other;
  }
  if (kind >= 2) {
    const Slot slot = sequence[at];
    sequence.erase(sequence.begin() + static_cast<std::ptrdiff_t>(at));
    sequence.insert(sequence.begin() + static_cast<std::ptrdiff_t>(other), slot);
    changed |= at != other;
  }
  return changed;
}

/// The task as it would run on another node: the same shape when it has it there. Devices 0: not allowed.
Option Walk::option_on(const Slot& slot, size_t node) {
  const InstanceTask& task = instance_.tasks[static_cast<size_t>(slot.task)];
  const int group = instance_.nodes[node].group;
  if (!task.may_use(static_cast<int>(node), group)) return {};
  const std::span<const Option> options = task.options_on(static_cast<int>(node), group);
  if (below(4) != 0)
    for (const Option& option : options)
      if (option.same_shape(slot.option)) return option;
  return options[below(options.size())];
}

bool Walk::change_across(size_t from, size_t to) {
  std::vector<Slot>& source = current_[from];
  std::vector<Slot>& target = current_[to];
  const size_t at = below(source.size());
  const Option there = option_on(source[at], to);
  if (there.devices == 0) return false;
  if (!target.empty() && below(2) == 0) {  // swap
    const size_t other = below(target.size());
    const Option here = option_on(target[other], from);
    if (here.devices == 0) return false;
    const Slot moved{source[at].task, there};
    source[at] = {target[other].task, here};
    target[other] = moved;
    return true;
  }
  const Slot moved{source[at].task, there};
  source.erase(source.begin() + static_cast<std::ptrdiff_t>(at));
  target.insert(target.begin() + static_cast<std::ptrdiff_t>(below(target.size() + 1)), moved);
  return true;
}

}  // namespace saturn
