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
    for (size_t c = 0; c < task.configurations.size(); ++c) {
      if (task.configurations[c].nodes > 1) {
        place_across(depth, measures, static_cast<int>(c), {});
        continue;
      }
      for (size_t n = 0; n < problem_.nodes.size(); ++n)
        place_as(depth, measures, static_cast<int>(c), static_cast<int>(n));
    }
    if (task.running) stay(depth, measures, *task.running, task.pin.value_or(Pin{}));
  }

  void stay(size_t depth, const Measures& measures, const Running& running, const Pin& pin) {
    const ProblemTask& task = problem_.tasks[static_cast<size_t>(order_[depth].second)];
    const long end = std::max(1L, std::lround(running.staying.duration_seconds * 1000));
    if (pin.start_seconds || !pin.after.empty() || pin.node.value_or(running.node) != running.node) return;
    if (!pin.devices.empty() && pin.devices != running.devices) return;
    if (pin.node && pin.further != running.further) return;
    if (pin.configuration) {
      const Configuration& wanted = task.configurations[static_cast<size_t>(*pin.configuration)];
      const Configuration& has = running.staying;
      if (std::tie(wanted.parallelism, wanted.knobs, wanted.device_kind, wanted.devices, wanted.nodes) !=
          std::tie(has.parallelism, has.knobs, has.device_kind, has.devices, has.nodes))
        return;
    }
    std::vector<GangPart> parts{{running.node, running.devices}};
    parts.insert(parts.end(), running.further.begin(), running.further.end());
    if (!free(parts, 0, end) || !ends_before_followers(depth, end)) return;
    put(depth, measures, parts, 0, end);
  }

  void put(size_t depth, const Measures& measures, const std::vector<GangPart>& parts, long start, long end) {
    const size_t before = busy_.size();
    for (const GangPart& part : parts)
      for (const int device : part.devices) busy_.push_back({part.node, device, start, end});
    const auto devices = static_cast<long>(busy_.size() - before);
    ends_[static_cast<size_t>(order_[depth].second)] = end;
    place(depth + 1, {std::max(measures.makespan, end), measures.area + (end - start) * devices,
                      measures.completions + end});
    busy_.resize(before);
    ends_[static_cast<size_t>(order_[depth].second)] = -1;
  }

  /// Every choice of different nodes, in rising order unless they are pinned, and of devices on each.
  void place_across(size_t depth, const Measures& measures, int c, std::vector<GangPart> parts) {
    const ProblemTask& task = problem_.tasks[static_cast<size_t>(order_[depth].second)];
    const Configuration& configuration = task.configurations[static_cast<size_t>(c)];
    const Pin pin = task.pin.value_or(Pin{});
    if (pin.configuration.value_or(c) != c) return;
    if (pin.node && static_cast<int>(pin.further.size()) + 1 != configuration.nodes) return;
    if (static_cast<int>(parts.size()) == configuration.nodes) return start_across(depth, measures, c, parts);
    const int first = parts.empty() || pin.node ? 0 : parts.back().node + 1;
    for (int n = first; n < static_cast<int>(problem_.nodes.size()); ++n) {
      const ProblemNode& node = problem_.nodes[static_cast<size_t>(n)];
      const int devices = static_cast<int>(node.free_at_seconds.size());
      const std::vector<int>* wanted = nullptr;
      if (pin.node) {
        if ((parts.empty() ? *pin.node : pin.further[parts.size() - 1].node) != n) continue;
        wanted = parts.empty() ? &pin.devices : &pin.further[parts.size() - 1].devices;
      }
      if (node.kind != configuration.device_kind) continue;
      for (int set = 1; set < (1 << devices); ++set) {
        std::vector<int> chosen;
        for (int device = 0; device < devices; ++device)
          if ((set >> device) & 1) chosen.push_back(device);
        if (static_cast<int>(chosen.size()) * configuration.nodes != configuration.devices) continue;
        if (wanted != nullptr && !wanted->empty() && *wanted != chosen) continue;
        parts.push_back({n, chosen});
        place_across(depth, measures, c, parts);
        parts.pop_back();
      }
    }
  }

  void start_across(size_t depth, const Measures& measures, int c, const std::vector<GangPart>& parts) {
    const ProblemTask& task = problem_.tasks[static_cast<size_t>(order_[depth].second)];
    const Pin pin = task.pin.value_or(Pin{});
    const double seconds = task.configurations[static_cast<size_t>(c)].duration_seconds;
    const long duration = std::max(1L, std::lround(seconds * 1000));
    long not_before = 0;
    for (const int before : pin.after) {
      if (ends_[static_cast<size_t>(before)] < 0 && !pin.start_seconds) return;
      not_before = std::max(not_before, ends_[static_cast<size_t>(before)]);
    }
    const long start =
        pin.start_seconds ? std::lround(*pin.start_seconds * 1000) : earliest(parts, duration, not_before);
    if (!free(parts, start, start + duration) || start < not_before) return;
    if (!ends_before_followers(depth, start + duration)) return;
    put(depth, measures, parts, start, start + duration);
  }

  void place_as(size_t depth, const Measures& measures, int c, int n) {
    const ProblemTask& task = problem_.tasks[static_cast<size_t>(order_[depth].second)];
    const Configuration& configuration = task.configurations[static_cast<size_t>(c)];
    const Pin pin = task.pin.value_or(Pin{});
    const int devices = static_cast<int>(problem_.nodes[static_cast<size_t>(n)].free_at_seconds.size());
    if (configuration.device_kind != problem_.nodes[static_cast<size_t>(n)].kind) return;
    if (pin.configuration.value_or(c) != c || pin.node.value_or(n) != n || configuration.devices > devices)
      return;
    if (pin.node && !pin.further.empty()) return;
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
                                           : earliest({{n, chosen}}, duration, not_before);
      if (!free({{n, chosen}}, start, start + duration) || start < not_before) continue;
      if (!ends_before_followers(depth, start + duration)) continue;
      put(depth, measures, {{n, chosen}}, start, start + duration);
    }
  }

  bool free(const std::vector<GangPart>& parts, long start, long end) const {
    return std::all_of(parts.begin(), parts.end(),
                       [&](const GangPart& part) { return free(part.node, part.devices, start, end); });
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

  long earliest(const std::vector<GangPart>& parts, long duration, long not_before) const {
    std::vector<long> moments{not_before};
    for (const GangPart& part : parts)
      for (const double release : problem_.nodes[static_cast<size_t>(part.node)].free_at_seconds)
        moments.push_back(std::lround(release * 1000));
    for (const Busy& busy : busy_) moments.push_back(busy.end);
    std::sort(moments.begin(), moments.end());
    for (const long moment : moments)
      if (moment >= not_before && free(parts, moment, moment + duration)) return moment;
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
