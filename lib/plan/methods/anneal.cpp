// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "plan/model/search.h"

namespace saturn {
namespace {

/// Weight of the devices' mean free time beside the time over the goal: it keeps a slope where several nodes
/// end last together.
constexpr double kMeanWeight = 0.03;

class Annealer {
 public:
  Annealer(Search& search, int round)
      : search_(search),
        instance_(search.instance()),
        random_(search.seed() * 1000003 + static_cast<std::uint64_t>(round) * 7919 + 17),
        current_(search.best()) {
    for (const InstanceNode& node : instance_.nodes) devices_ += static_cast<double>(node.free.size());
    for (size_t n = 0; n < current_.size(); ++n)
      finishes_.push_back(finish_of(instance_, static_cast<int>(n), current_[n]));
    // Temperatures are fractions of the makespan; a wrong one gains nothing, so the rounds go through
    // several.
    static constexpr double kHot[] = {0.003, 0.01, 0.02};
    const double many = instance_.tasks.size() > 300 ? 0.02 : 1;
    hot_ = kHot[static_cast<size_t>(round) % 3] * many;
    cold_ = instance_.tasks.size() > 300 ? 2e-6 : 1e-4;
  }

  void run(const Deadline& deadline, std::int64_t iterations) {
    const auto makespan = static_cast<double>(search_.makespan());
    double temperature = 0;
    set_goal();
    for (std::int64_t i = 0; i < iterations; ++i) {
      if (i % 64 == 0) {
        deadline.spend(std::exchange(steps_, 0));
        if (deadline.passed() || search_.done()) return;
        const double done = static_cast<double>(i) / static_cast<double>(iterations);
        temperature = makespan * hot_ * std::pow(cold_ / hot_, done);
      }
      move(temperature);
    }
  }

 private:
  size_t below(size_t count) { return static_cast<size_t>(random_() % count); }
  double uniform() { return static_cast<double>(random_() >> 11) * 0x1.0p-53; }

  /// Just under the best: what ends before it is as good as it need be.
  Millis goal() const { return std::max(search_.bound(), search_.makespan() - search_.unit()); }

  double cost_of(const NodeFinish& finish) const {
    return static_cast<double>(std::max<Millis>(0, finish.finish - goal_)) +
           kMeanWeight * finish.free_sum / devices_;
  }

  /// Of all nodes, from nothing: whenever the goal has moved.
  void set_goal() {
    goal_ = goal();
    cost_ = 0;
    for (const NodeFinish& finish : finishes_) cost_ += cost_of(finish);
    find_last();
  }

  void find_last() {
    const auto last =
        std::max_element(finishes_.begin(), finishes_.end(),
                         [](const NodeFinish& a, const NodeFinish& b) { return a.finish < b.finish; });
    last_ = static_cast<size_t>(last - finishes_.begin());
  }

  /// The node's finish has changed from `before`.
  void keep_last(size_t node, const NodeFinish& before) {
    if (finishes_[node].finish > finishes_[last_].finish)
      last_ = node;
    else if (node == last_ && finishes_[node].finish < before.finish)
      find_last();
  }

  size_t pick_node() {
    if (below(2) == 0) return last_;
    return below(current_.size());
  }

  /// Changes one or two nodes; takes the change back when it is refused.
  void move(double temperature) {
    const size_t from = pick_node();
    if (current_[from].empty()) return;
    size_t to = from;
    if (current_.size() > 1 && below(2) == 0) to = below(current_.size());
    saved_from_ = current_[from];
    saved_to_ = current_[to];
    steps_ += static_cast<std::int64_t>(saved_from_.size() + saved_to_.size());
    if (!(to == from ? change_within(from) : change_across(from, to))) {
      current_[from] = saved_from_;
      current_[to] = saved_to_;
      return;
    }
    const NodeFinish old_from = finishes_[from];
    const NodeFinish old_to = finishes_[to];
    finishes_[from] = finish_of(instance_, static_cast<int>(from), current_[from]);
    if (to != from) finishes_[to] = finish_of(instance_, static_cast<int>(to), current_[to]);
    double changed = cost_ - cost_of(old_from) + cost_of(finishes_[from]);
    if (to != from) changed += cost_of(finishes_[to]) - cost_of(old_to);
    if (changed <= cost_ || uniform() < std::exp((cost_ - changed) / temperature)) {
      cost_ = changed;
      keep_last(from, old_from);
      if (to != from) keep_last(to, old_to);
      if (finishes_[last_].finish < search_.makespan()) search_.offer(current_, "annealing");
      if (goal() != goal_) set_goal();
      return;
    }
    current_[from] = saved_from_;
    current_[to] = saved_to_;
    finishes_[from] = old_from;
    finishes_[to] = old_to;
  }

  bool reconfigure(Slot& slot, size_t node) {
    const std::vector<Option>& options = instance_.options(slot.task, static_cast<int>(node));
    if (options.size() < 2) return false;
    const Option& other = options[below(options.size())];
    if (other.same_shape(slot.option)) return false;
    slot.option = other;
    return true;
  }

  bool change_within(size_t node) {
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
  Option option_on(const Slot& slot, size_t node) {
    const InstanceTask& task = instance_.tasks[static_cast<size_t>(slot.task)];
    const int group = instance_.nodes[node].group;
    if (!task.may_use(static_cast<int>(node), group)) return {};
    const std::vector<Option>& options = task.options[static_cast<size_t>(group)];
    if (below(4) != 0)
      for (const Option& option : options)
        if (option.same_shape(slot.option)) return option;
    return options[below(options.size())];
  }

  bool change_across(size_t from, size_t to) {
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

  Search& search_;
  const Instance& instance_;
  std::mt19937_64 random_;
  Sequences current_;
  std::vector<NodeFinish> finishes_;
  std::vector<Slot> saved_from_, saved_to_;
  double devices_ = 0;
  double cost_ = 0;
  Millis goal_ = 0;
  size_t last_ = 0;  ///< the node that ends last
  double hot_ = 0;
  double cold_ = 0;
  std::int64_t steps_ = 0;  ///< not yet reported
};

}  // namespace

void anneal(Search& search, const Deadline& deadline, std::int64_t iterations, int round) {
  if (search.instance().tasks.empty() || search.done()) return;
  Annealer(search, round).run(deadline, iterations);
}

}  // namespace saturn
