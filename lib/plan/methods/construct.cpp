// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <limits>

#include "plan/model/search.h"

namespace saturn {
namespace {

constexpr std::array kWidthLimits{1.0, 0.8, 0.65, 0.5, 0.4, 0.33, 0.25, 0.18, 0.12, 0.06};
constexpr Millis kForever = std::numeric_limits<Millis>::max();
enum class Order { kDuration, kWidth, kArea };
constexpr std::array kOrders{Order::kDuration, Order::kWidth, Order::kArea};

/// The option of least area among those of at most `limit`, or the fastest when there is none.
const Option& pick(const std::vector<Option>& options, Millis limit) {
  const Option* best = nullptr;
  for (const Option& option : options)
    if (option.duration <= limit && (best == nullptr || option.area() < best->area())) best = &option;
  return best != nullptr ? *best : options.back();
}

class ListScheduler {
 public:
  ListScheduler(const Instance& instance, Millis limit) : instance_(instance) {
    chosen_.resize(instance.tasks.size());
    for (size_t t = 0; t < instance.tasks.size(); ++t)
      for (const std::vector<Option>& options : instance.tasks[t].options)
        chosen_[t].push_back(options.empty() ? Option{} : pick(options, limit));
    for (const InstanceNode& node : instance.nodes) timelines_.emplace_back(node.free);
  }

  Sequences run(Order order) {
    std::vector<int> tasks(instance_.tasks.size());
    for (size_t t = 0; t < tasks.size(); ++t) tasks[t] = static_cast<int>(t);
    std::stable_sort(tasks.begin(), tasks.end(), [&](int a, int b) { return key(order, a) > key(order, b); });
    Sequences sequences(instance_.nodes.size());
    for (const int task : tasks) place(task, sequences);
    return sequences;
  }

 private:
  /// Larger goes first. Tasks tied to devices go before all others, who can move around them.
  std::array<Millis, 3> key(Order order, int task) const {
    const InstanceTask& it = instance_.tasks[static_cast<size_t>(task)];
    Option widest;
    for (const Option& option : chosen_[static_cast<size_t>(task)])
      if (option.devices > 0 && option.area() > widest.area()) widest = option;
    const Millis tied = it.devices.empty() ? 0 : 1;
    switch (order) {
      case Order::kDuration:
        return {tied, widest.duration, widest.devices};
      case Order::kWidth:
        return {tied, widest.devices, widest.duration};
      case Order::kArea:
        return {tied, widest.area(), widest.devices};
    }
    return {};
  }

  void place(int index, Sequences& sequences) {
    const InstanceTask& task = instance_.tasks[static_cast<size_t>(index)];
    int best_node = -1;
    Millis best_end = kForever;
    Millis best_start = 0;
    for (size_t n = 0; n < instance_.nodes.size(); ++n) {
      const int group = instance_.nodes[n].group;
      if (!task.may_use(static_cast<int>(n), group)) continue;
      const Option& option = chosen_[static_cast<size_t>(index)][static_cast<size_t>(group)];
      const Millis start = timelines_[n].start(option.devices);
      const Millis end = start + option.duration;
      // Of equal ends the later start: the longer-free devices are left to others.
      if (end < best_end || (end == best_end && start > best_start))
        best_node = static_cast<int>(n), best_end = end, best_start = start;
    }
    const auto node = static_cast<size_t>(best_node);
    const Option& option =
        chosen_[static_cast<size_t>(index)][static_cast<size_t>(instance_.nodes[node].group)];
    timelines_[node].place(option.devices, option.duration);
    sequences[node].push_back({index, option});
  }

  const Instance& instance_;
  std::vector<std::vector<Option>> chosen_;  ///< per task and group
  std::vector<Timeline> timelines_;
};

}  // namespace

void construct(Search& search, const Deadline& deadline) {
  const Millis goal = std::max<Millis>(1, search.bound());
  for (const double width : kWidthLimits) {
    const auto limit = static_cast<Millis>(width * static_cast<double>(goal));
    for (const Order order : kOrders) {
      if (search.has_plan() && (deadline.passed() || search.done())) return;
      search.offer(ListScheduler(search.instance(), limit).run(order), "list scheduling");
    }
  }
}

}  // namespace saturn
