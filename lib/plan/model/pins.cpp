// SPDX-License-Identifier: Apache-2.0
#include "plan/model/pins.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "plan/model/running.h"

namespace saturn {
namespace {

/// Backtracking over a few pinned tasks ends at once; contradictory pins of many tasks must end too.
constexpr int kLargestSearch = 200000;

bool contains(const std::vector<int>& sorted, int value) {
  return std::find(sorted.begin(), sorted.end(), value) != sorted.end();
}

class PinnedSearch {
 public:
  explicit PinnedSearch(const Problem& problem) : problem_(problem) {
    for (size_t t = 0; t < problem.tasks.size(); ++t)
      if (problem.tasks[t].pin && problem.tasks[t].pin->start_seconds) order_.push_back(static_cast<int>(t));
    // Those that say their devices go first: the others choose around them.
    std::stable_sort(order_.begin(), order_.end(), [&](int a, int b) {
      const Pin& left = pin(a);
      const Pin& right = pin(b);
      if (left.devices.empty() != right.devices.empty()) return !left.devices.empty();
      return *left.start_seconds < *right.start_seconds;
    });
  }

  bool run() { return place(0); }
  const std::vector<Placement>& placements() const { return placements_; }

  /// The task that could not be placed in the deepest attempt, and the ones in its way.
  std::string why() const {
    const ProblemTask& task = problem_.tasks[static_cast<size_t>(order_[deepest_])];
    std::string text =
        fmt::format("task '{}' is pinned to start at {:.3f} s, but its devices are in use then", task.name,
                    *task.pin->start_seconds);
    std::string others;
    for (const Placement& other : deepest_placements_) {
      const Millis start = llround(*task.pin->start_seconds * 1000);
      if (other.end() <= start) continue;
      others += fmt::format("{}'{}'", others.empty() ? "" : ", ",
                            problem_.tasks[static_cast<size_t>(other.task)].name);
    }
    return others.empty() ? text + ": no node has enough devices that are free at that time"
                          : text + " by other pinned tasks: " + others;
  }

 private:
  const Pin& pin(int task) const { return *problem_.tasks[static_cast<size_t>(task)].pin; }

  bool place(size_t depth) {
    if (depth > deepest_ || deepest_placements_.empty()) {
      deepest_ = std::min(depth, order_.size() - 1);
      deepest_placements_ = placements_;
    }
    if (depth == order_.size()) return true;
    const int index = order_[depth];
    const ProblemTask& task = problem_.tasks[static_cast<size_t>(index)];
    std::vector<int> configurations = allowed_configurations(task);
    std::stable_sort(configurations.begin(), configurations.end(), [&](int a, int b) {
      return task.configurations[static_cast<size_t>(a)].duration_seconds <
             task.configurations[static_cast<size_t>(b)].duration_seconds;
    });
    for (const int configuration : configurations)
      for (size_t node = 0; node < problem_.nodes.size(); ++node)
        if (try_place(depth, index, configuration, static_cast<int>(node))) return true;
    return false;
  }

  bool try_place(size_t depth, int index, int configuration_index, int node) {
    if (++tried_ > kLargestSearch) return false;
    const ProblemTask& task = problem_.tasks[static_cast<size_t>(index)];
    const Configuration& configuration = task.configurations[static_cast<size_t>(configuration_index)];
    if (task.pin->node.value_or(node) != node) return false;
    if (!fits_on(configuration, problem_.nodes[static_cast<size_t>(node)])) return false;
    if (!task.pin->devices.empty() && static_cast<int>(task.pin->devices.size()) != configuration.devices)
      return false;
    Placement placement{index,
                        configuration_index,
                        node,
                        {},
                        llround(*task.pin->start_seconds * 1000),
                        duration_millis(configuration.duration_seconds)};
    placement.devices = devices_for(placement, *task.pin, configuration.devices);
    if (placement.devices.empty()) return false;
    placements_.push_back(std::move(placement));
    if (place(depth + 1)) return true;
    placements_.pop_back();
    return false;
  }

  /// The pinned devices, or those with the least idle time before the start; empty when there are too few.
  std::vector<int> devices_for(const Placement& placement, const Pin& wanted, int count) const {
    std::vector<std::pair<Millis, int>> usable;
    const ProblemNode& node = problem_.nodes[static_cast<size_t>(placement.node)];
    for (int device = 0; device < static_cast<int>(node.free_at_seconds.size()); ++device) {
      if (!wanted.devices.empty() && !contains(wanted.devices, device)) continue;
      Millis free = release_millis(node.free_at_seconds[static_cast<size_t>(device)]);
      bool clash = free > placement.start;
      for (const Placement& other : placements_) {
        if (other.node != placement.node || !contains(other.devices, device)) continue;
        clash |= other.start < placement.end() && placement.start < other.end();
        if (other.end() <= placement.start) free = std::max(free, other.end());
      }
      if (!clash) usable.emplace_back(-free, device);
    }
    if (static_cast<int>(usable.size()) < count) return {};
    std::sort(usable.begin(), usable.end());
    std::vector<int> devices;
    for (int i = 0; i < count; ++i) devices.push_back(usable[static_cast<size_t>(i)].second);
    std::sort(devices.begin(), devices.end());
    return devices;
  }

  const Problem& problem_;
  std::vector<int> order_;
  std::vector<Placement> placements_;
  std::vector<Placement> deepest_placements_;
  size_t deepest_ = 0;
  int tried_ = 0;
};

void check_pinned_devices(const Problem& problem, const ProblemTask& task, std::vector<std::string>& errors) {
  const Pin& pin = *task.pin;
  if (pin.devices.empty()) return;
  if (!pin.node && problem.nodes.size() > 1) {
    errors.push_back(fmt::format("task '{}': devices are pinned, but not the node they are on", task.name));
    return;
  }
  const ProblemNode& node = problem.nodes[static_cast<size_t>(pin.node.value_or(0))];
  std::vector<int> sorted = pin.devices;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
    errors.push_back(fmt::format("task '{}': a pinned device is named twice", task.name));
  for (const int device : sorted)
    if (device < 0 || device >= static_cast<int>(node.free_at_seconds.size()))
      errors.push_back(fmt::format("task '{}': pinned to device {} of node '{}', which has {}", task.name,
                                   device, node.name, node.free_at_seconds.size()));
  const std::vector<int> configurations = allowed_configurations(task);
  const bool matches = std::any_of(configurations.begin(), configurations.end(), [&](int c) {
    return task.configurations[static_cast<size_t>(c)].devices == static_cast<int>(pin.devices.size());
  });
  if (!matches && !may_stay(task))
    errors.push_back(
        fmt::format("task '{}': pinned to {} device(s), but no configuration it may use has as many",
                    task.name, pin.devices.size()));
}

}  // namespace

std::vector<int> allowed_configurations(const ProblemTask& task) {
  if (task.pin && task.pin->configuration) return {*task.pin->configuration};
  std::vector<int> all(task.configurations.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int>(i);
  return all;
}

bool share_a_device(const std::vector<int>& a, const std::vector<int>& b) {
  return std::any_of(a.begin(), a.end(), [&](int device) { return contains(b, device); });
}

bool has_gangs_across_nodes(const Problem& problem) {
  return std::any_of(problem.tasks.begin(), problem.tasks.end(), [](const ProblemTask& task) {
    return (task.running && task.running->staying.nodes > 1) ||
           std::any_of(task.configurations.begin(), task.configurations.end(),
                       [](const Configuration& way) { return way.nodes > 1; });
  });
}

bool fits_on(const Configuration& configuration, const ProblemNode& node) {
  return configuration.nodes == 1 && may_be_on(configuration, node);
}

bool may_be_on(const Configuration& configuration, const ProblemNode& node) {
  return configuration.device_kind == node.kind &&
         configuration.devices_per_node() <= static_cast<int>(node.free_at_seconds.size());
}

bool fits(const Configuration& configuration, const std::vector<ProblemNode>& nodes) {
  return std::count_if(nodes.begin(), nodes.end(), [&](const ProblemNode& node) {
           return may_be_on(configuration, node);
         }) >= configuration.nodes;
}

void check_pins(const Problem& problem, std::vector<std::string>& errors) {
  for (const ProblemTask& task : problem.tasks) {
    if (!task.pin) continue;
    const Pin& pin = *task.pin;
    const auto past = [](const std::optional<int>& index, size_t size) {
      return index && (*index < 0 || *index >= static_cast<int>(size));
    };
    if (past(pin.configuration, task.configurations.size())) {
      errors.push_back(fmt::format("task '{}': pinned to configuration {}, but it has {}", task.name,
                                   *pin.configuration, task.configurations.size()));
      continue;
    }
    if (past(pin.node, problem.nodes.size())) {
      errors.push_back(fmt::format("task '{}': pinned to node {}, but there are {}", task.name, *pin.node,
                                   problem.nodes.size()));
      continue;
    }
    if (pin.start_seconds && !(*pin.start_seconds >= 0 && *pin.start_seconds <= 1e9))
      errors.push_back(
          fmt::format("task '{}': pinned to start at {} s; a start is between 0 and 1000000000 s", task.name,
                      *pin.start_seconds));
    check_pinned_devices(problem, task, errors);
  }
}

std::vector<Placement> place_pinned(const Problem& problem, std::vector<std::string>& errors) {
  PinnedSearch search(problem);
  const bool any = std::any_of(problem.tasks.begin(), problem.tasks.end(),
                               [](const ProblemTask& task) { return task.pin && task.pin->start_seconds; });
  if (!any) return {};
  if (!search.run()) errors.push_back(search.why());
  return search.placements();
}

}  // namespace saturn
