// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "plan/fixtures.h"

namespace saturn::test {
namespace {

/// Starts are tried at every moment at which a placed task ends, a device is released, or a pinned task ends:
/// an optimal plan exists in which every task starts at such a moment (else it could start earlier).
class BruteForce {
 public:
  using Key = std::function<MeasureKey(const Measures&)>;

  BruteForce(const Problem& problem, const Key& key) : problem_(problem), key_(key) {
    for (const ProblemTask& task : problem.tasks) {
      const bool fixed = task.pin && task.pin->start_seconds;
      order_.push_back({fixed ? 0 : 1, static_cast<int>(order_.size())});
    }
    std::sort(order_.begin(), order_.end());
    ends_.assign(problem.tasks.size(), -1);
  }

  Measures run() {
    do {
      place(0, {});
    } while (next_order());
    return best_;
  }

 private:
  struct Busy {
    int node, device;
    long start, end;
  };
  bool next_order() {
    // Tasks with a pinned start stay in front; the others in every order.
    const auto first =
        std::find_if(order_.begin(), order_.end(), [](const auto& entry) { return entry.first == 1; });
    return std::next_permutation(first, order_.end());
  }

  void place(size_t depth, const Measures& measures) {
    const MeasureKey key = key_(measures);
    if (key >= best_key_) return;
    if (depth == order_.size()) {
      best_ = measures;
      best_key_ = key;
      return;
    }
    const ProblemTask& task = problem_.tasks[static_cast<size_t>(order_[depth].second)];
    for (size_t c = 0; c < task.configurations.size(); ++c)
      for (size_t n = 0; n < problem_.nodes.size(); ++n)
        place_as(depth, measures, static_cast<int>(c), static_cast<int>(n));
    if (task.running) stay(depth, measures, *task.running, task.pin.value_or(Pin{}));
  }

  void stay(size_t depth, const Measures& measures, const Running& running, const Pin& pin) {
    const ProblemTask& task = problem_.tasks[static_cast<size_t>(order_[depth].second)];
    const long end = std::max(1L, std::lround(running.staying.duration_seconds * 1000));
    if (pin.start_seconds || !pin.after.empty() || pin.node.value_or(running.node) != running.node) return;
    if (!pin.devices.empty() && pin.devices != running.devices) return;
    if (pin.configuration) {
      const Configuration& wanted = task.configurations[static_cast<size_t>(*pin.configuration)];
      const Configuration& has = running.staying;
      if (std::tie(wanted.parallelism, wanted.knobs, wanted.device_kind, wanted.devices) !=
          std::tie(has.parallelism, has.knobs, has.device_kind, has.devices))
        return;
    }
    if (!free(running.node, running.devices, 0, end) || !ends_before_followers(depth, end)) return;
    put(depth, measures, running.node, running.devices, 0, end);
  }

  void put(size_t depth, const Measures& measures, int node, const std::vector<int>& devices, long start,
           long end) {
    for (const int device : devices) busy_.push_back({node, device, start, end});
    ends_[static_cast<size_t>(order_[depth].second)] = end;
    place(depth + 1,
          {std::max(measures.makespan, end),
           measures.area + (end - start) * static_cast<long>(devices.size()), measures.completions + end});
    busy_.resize(busy_.size() - devices.size());
    ends_[static_cast<size_t>(order_[depth].second)] = -1;
  }

  void place_as(size_t depth, const Measures& measures, int c, int n) {
    const ProblemTask& task = problem_.tasks[static_cast<size_t>(order_[depth].second)];
    const Configuration& configuration = task.configurations[static_cast<size_t>(c)];
    const Pin pin = task.pin.value_or(Pin{});
    const int devices = static_cast<int>(problem_.nodes[static_cast<size_t>(n)].free_at_seconds.size());
    if (configuration.device_kind != problem_.nodes[static_cast<size_t>(n)].kind) return;
    if (pin.configuration.value_or(c) != c || pin.node.value_or(n) != n || configuration.devices > devices)
      return;
    const long duration = std::max(1L, std::lround(configuration.duration_seconds * 1000));
    long not_before = 0;
    for (const int before : pin.after) {
      // Another order of the tasks has it first; what is to end before a pinned start is seen to below.
      if (ends_[static_cast<size_t>(before)] < 0 && !pin.start_seconds) return;
      not_before = std::max(not_before, ends_[static_cast<size_t>(before)]);
    }
    for (int set = 1; set < (1 << devices); ++set) {
      std::vector<int> chosen;
      for (int device = 0; device < devices; ++device)
        if ((set >> device) & 1) chosen.push_back(device);
      if (static_cast<int>(chosen.size()) != configuration.devices) continue;
      if (!pin.devices.empty() && pin.devices != chosen) continue;
      const long start = pin.start_seconds ? std::lround(*pin.start_seconds * 1000)
                                           : earliest(n, chosen, duration, not_before);
      if (!free(n, chosen, start, start + duration) || start < not_before) continue;
      if (!ends_before_followers(depth, start + duration)) continue;
      put(depth, measures, n, chosen, start, start + duration);
    }
  }

  bool free(int node, const std::vector<int>& devices, long start, long end) const {
    for (const int device : devices) {
      const double release =
          problem_.nodes[static_cast<size_t>(node)].free_at_seconds[static_cast<size_t>(device)];
      if (start < std::lround(release * 1000)) return false;
      for (const Busy& busy : busy_)
        if (busy.node == node && busy.device == device && busy.start < end && start < busy.end) return false;
    }
    return true;
  }

  /// Those with a pinned start that are to follow have been placed already.
  bool ends_before_followers(size_t depth, long end) const {
    const int task = order_[depth].second;
    for (const ProblemTask& other : problem_.tasks) {
      if (!other.pin || !other.pin->start_seconds || end <= std::lround(*other.pin->start_seconds * 1000))
        continue;
      if (std::find(other.pin->after.begin(), other.pin->after.end(), task) != other.pin->after.end())
        return false;
    }
    return true;
  }

  long earliest(int node, const std::vector<int>& devices, long duration, long not_before) const {
    std::vector<long> moments{not_before};
    for (const double release : problem_.nodes[static_cast<size_t>(node)].free_at_seconds)
      moments.push_back(std::lround(release * 1000));
    for (const Busy& busy : busy_) moments.push_back(busy.end);
    std::sort(moments.begin(), moments.end());
    for (const long moment : moments)
      if (moment >= not_before && free(node, devices, moment, moment + duration)) return moment;
    return moments.back();
  }

  const Problem& problem_;
  std::vector<std::pair<int, int>> order_;
  std::vector<Busy> busy_;
  std::vector<long> ends_;  ///< per task; -1 = not placed
  const Key& key_;
  Measures best_;
  MeasureKey best_key_{std::numeric_limits<long>::max()};
};

}  // namespace

Measures best_measures(const Problem& problem, const std::function<MeasureKey(const Measures&)>& key) {
  return BruteForce(problem, key).run();
}

double least_makespan(const Problem& problem) {
  const Measures best = best_measures(problem, [](const Measures& m) {
    return MeasureKey{m.makespan, 0, 0};
  });
  return static_cast<double>(best.makespan) / 1000;
}

}  // namespace saturn::test
