// SPDX-License-Identifier: Apache-2.0
#include "plan/model/pinned_order.h"

#include <algorithm>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "plan/model/pins.h"

namespace saturn {
namespace {

bool overlap(const Pin& a, const Pin& b) {
  return a.node.value_or(0) == b.node.value_or(0) && share_a_device(a.devices, b.devices);
}

class Orderer {
 public:
  Orderer(const Problem& problem, Instance& instance, std::vector<std::string>& errors)
      : problem_(problem), instance_(instance), errors_(errors) {
    for (size_t t = 0; t < instance.tasks.size(); ++t)
      index_.emplace(instance.tasks[t].task, static_cast<int>(t));
    for (const Placement& placement : instance.placed) placed_.emplace(placement.task, &placement);
  }

  void run() {
    for (size_t t = 0; t < problem_.tasks.size(); ++t)
      if (problem_.tasks[t].pin)
        for (const int before : problem_.tasks[t].pin->after) take(static_cast<int>(t), before);
    if (!errors_.empty() || !instance_.ordered) return;
    rank_all();
    if (errors_.empty()) check_starts();
  }

 private:
  const ProblemTask& task(int index) const { return problem_.tasks[static_cast<size_t>(index)]; }

  void take(int behind, int before) {
    const std::string& name = task(behind).name;
    if (before < 0 || before >= static_cast<int>(problem_.tasks.size()) || before == behind) {
      errors_.push_back(
          fmt::format("task '{}': pinned to run after task {}, but there are {}, itself left out", name,
                      before, problem_.tasks.size()));
      return;
    }
    if (!task(before).pin || !overlap(*task(behind).pin, *task(before).pin)) {
      errors_.push_back(
          fmt::format("task '{}': pinned to run after task '{}', but they are not both pinned to "
                      "devices of which they share one",
                      name, task(before).name));
      return;
    }
    instance_.ordered = true;
    pairs_.emplace_back(before, behind);
    const auto first = index_.find(before), second = index_.find(behind);
    if (second == index_.end()) return;  // its start is pinned: `check_starts`
    InstanceTask& later = instance_.tasks[static_cast<size_t>(second->second)];
    if (first != index_.end())
      later.after.push_back(first->second);
    else
      later.not_before = std::max(later.not_before, placed_.at(before)->end());
  }

  /// By depth-first search; a task is ranked when all before it are.
  void rank_all() {
    std::map<int, std::vector<int>> before;
    for (const auto& [first, second] : pairs_) before[second].push_back(first), before[first];
    std::map<int, int> state;  // 1 = on the way, 2 = ranked
    int rank = 0;
    const std::function<bool(int)> visit = [&](int at) {
      if (state[at] == 2) return true;
      if (std::exchange(state[at], 1) == 1) {
        errors_.push_back(
            fmt::format("task '{}' is pinned to run after itself, by way of others", task(at).name));
        return false;
      }
      for (const int first : before[at])
        if (!visit(first)) return false;
      state[at] = 2;
      if (const auto found = index_.find(at); found != index_.end())
        instance_.tasks[static_cast<size_t>(found->second)].rank = rank++;
      return true;
    };
    for (const auto& [at, firsts] : before)
      if (!visit(at)) return;
    for (const auto& [first, second] : pairs_)
      if (placed_.contains(second)) hurry(first, before);
  }

  /// The task and all that it waits for.
  void hurry(int at, const std::map<int, std::vector<int>>& before) {
    if (!hurried_.insert(at).second) return;
    if (const auto found = index_.find(at); found != index_.end())
      instance_.tasks[static_cast<size_t>(found->second)].first = true;
    for (const int first : before.at(at)) hurry(first, before);
  }

  /// What must come first, placed alone, must be over by the pinned starts that follow.
  void check_starts() {
    Sequences sequences(instance_.nodes.size());
    for (size_t t = 0; t < instance_.tasks.size(); ++t) {
      const InstanceTask& it = instance_.tasks[t];
      if (!it.first) continue;
      const int node = std::max(0, it.node);
      sequences[static_cast<size_t>(node)].push_back(
          {static_cast<int>(t), instance_.options(static_cast<int>(t), node).front()});
    }
    std::map<int, Placement> where;
    for (const Placement& placement : decode(instance_, sequences)) where[placement.task] = placement;
    for (const auto& [first, second] : pairs_) {
      if (!placed_.contains(second) || where.at(first).end() <= where.at(second).start) continue;
      errors_.push_back(
          fmt::format("task '{}' is pinned to start at {:.3f} s, but task '{}', pinned to run before it, "
                      "ends at {:.3f} s at the earliest",
                      task(second).name, static_cast<double>(where.at(second).start) / 1000, task(first).name,
                      static_cast<double>(where.at(first).end()) / 1000));
    }
  }

  const Problem& problem_;
  Instance& instance_;
  std::vector<std::string>& errors_;
  std::set<int> hurried_;
  std::map<int, int> index_;                ///< problem task -> instance task
  std::map<int, const Placement*> placed_;  ///< by problem task
  std::vector<std::pair<int, int>> pairs_;  ///< problem tasks: the first ends before the second starts
};

}  // namespace

void pin_order(const Problem& problem, Instance& instance, std::vector<std::string>& errors) {
  Orderer(problem, instance, errors).run();
}

std::vector<Slot> in_pinned_order(const Instance& instance, const std::vector<Slot>& sequence) {
  const auto task = [&](const Slot& slot) -> const InstanceTask& {
    return instance.tasks[static_cast<size_t>(slot.task)];
  };
  std::vector<Slot> ordered, result;
  for (const Slot& slot : sequence)
    if (task(slot).rank >= 0) ordered.push_back(slot);
  std::sort(ordered.begin(), ordered.end(),
            [&](const Slot& a, const Slot& b) { return task(a).rank < task(b).rank; });
  std::vector<Slot> later;
  for (const Slot& slot : ordered) (task(slot).first ? result : later).push_back(slot);
  // The places of those that came first fall away; the others' are filled in order.
  size_t skipped = result.size(), next = 0;
  for (const Slot& slot : sequence) {
    if (task(slot).rank < 0)
      result.push_back(slot);
    else if (skipped > 0)
      --skipped;
    else
      result.push_back(later[next++]);
  }
  return result;
}

}  // namespace saturn
