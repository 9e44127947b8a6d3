// SPDX-License-Identifier: Apache-2.0
#include "plan/model/instance.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <limits>
#include <map>
#include <set>

#include "base/error.h"
#include "plan/model/pinned_order.h"
#include "plan/model/pins.h"
#include "plan/model/running.h"

namespace saturn {
namespace {

constexpr double kLongestSeconds = 1e9;
/// Sums of device-milliseconds must stay below this.
constexpr double kLargestArea = 4e18;

void check_times(const Problem& problem, std::vector<std::string>& errors) {
  double area = 0;
  size_t device_count = 0;
  for (const ProblemNode& node : problem.nodes) {
    device_count += node.free_at_seconds.size();
    for (const double seconds : node.free_at_seconds)
      if (!is_time(seconds))
        errors.push_back(fmt::format(
            "node '{}': a device is free at {} s; that is between 0 and 1000000000 s", node.name, seconds));
  }
  for (const ProblemTask& task : problem.tasks) {
    double largest = 0;
    for (const Configuration& configuration : task.configurations) {
      if (!is_time(configuration.duration_seconds))
        errors.push_back(fmt::format(
            "task '{}': {} on {} device(s) takes {} s; that is between 0 and 1000000000 s", task.name,
            configuration.parallelism, configuration.devices, configuration.duration_seconds));
      if (configuration.devices < 1)
        errors.push_back(
            fmt::format("task '{}': a configuration with {} devices", task.name, configuration.devices));
      largest = std::max(largest, configuration.duration_seconds * 1000 * configuration.devices);
    }
    if (task.running) {
      const Configuration& staying = task.running->staying;
      largest = std::max(largest, staying.duration_seconds * 1000 * staying.devices);
    }
    area += largest;
  }
  if (device_count == 0) errors.push_back("the cluster has no devices");
  // Even one after another on all devices the times must stay within 64 bits.
  if (area * static_cast<double>(std::max<size_t>(1, device_count)) > kLargestArea)
    errors.push_back(
        fmt::format("the tasks' durations add up to {:.3g} s, more than can be planned", area / 1000));
}

/// By ascending device count, each faster than all before it.
std::vector<Option> pareto(std::vector<Option> options) {
  std::stable_sort(options.begin(), options.end(), [](const Option& a, const Option& b) {
    return a.devices != b.devices ? a.devices < b.devices : a.duration < b.duration;
  });
  std::vector<Option> kept;
  for (const Option& option : options)
    if (kept.empty() || option.duration < kept.back().duration) kept.push_back(option);
  return kept;
}

std::string needs(const ProblemTask& task) {
  std::set<std::string> wanted;
  for (const int c : allowed_configurations(task)) {
    const Configuration& configuration = task.configurations[static_cast<size_t>(c)];
    wanted.insert(fmt::format("{} x {}{}", configuration.devices, configuration.device_kind,
                              across_text(configuration.nodes)));
  }
  return fmt::format("{}", fmt::join(wanted, ", "));
}

std::string sizes(const Problem& problem, const ProblemTask& task) {
  std::vector<std::string> texts;
  for (size_t n = 0; n < problem.nodes.size(); ++n) {
    if (task.pin && task.pin->node.value_or(static_cast<int>(n)) != static_cast<int>(n)) continue;
    const ProblemNode& node = problem.nodes[n];
    texts.push_back(fmt::format("'{}' {} x {}", node.name, node.free_at_seconds.size(), node.kind));
  }
  if (texts.size() > 8) texts.resize(8), texts.push_back("...");
  return fmt::format("{}", fmt::join(texts, ", "));
}

class Builder {
 public:
  explicit Builder(const Problem& problem) : problem_(problem) {}

  Instance build() {
    check_times(problem_, errors_);
    check_pins(problem_, errors_);
    check_running(problem_, errors_);
    fail_if_any();
    add_nodes();
    add_tasks();
    fail_if_any();
    instance_.placed = place_pinned(problem_, errors_);
    fail_if_any();
    fold_placed();
    pin_order(problem_, instance_, errors_);
    fail_if_any();
    yield_to_pinned(problem_, instance_, errors_);
    fail_if_any();
    free_whole_nodes();
    classify(instance_);
    return std::move(instance_);
  }

 private:
  void fail_if_any() const {
    if (errors_.empty()) return;
    std::vector<Diagnostic> diagnostics;
    for (const std::string& error : errors_) diagnostics.push_back({"", 0, 0, error, ""});
    throw InputError(std::move(diagnostics));
  }

  void add_nodes() {
    std::map<std::pair<std::string, size_t>, int> groups;
    for (const ProblemNode& node : problem_.nodes) {
      const auto key = std::make_pair(node.kind, node.free_at_seconds.size());
      const int group = groups.emplace(key, static_cast<int>(groups.size())).first->second;
      if (static_cast<size_t>(group) == group_node_.size()) group_node_.push_back(&node);
      InstanceNode added{group, {}};
      for (const double seconds : node.free_at_seconds) added.free.push_back(release_millis(seconds));
      instance_.nodes.push_back(std::move(added));
    }
    instance_.groups = static_cast<int>(groups.size());
  }

  std::vector<Option> options_of(const ProblemTask& task, int group) const {
    std::vector<Option> options;
    for (const int c : allowed_configurations(task)) {
      const Configuration& configuration = task.configurations[static_cast<size_t>(c)];
      if (!fits_on(configuration, *group_node_[static_cast<size_t>(group)])) continue;
      const bool other_count = task.pin && !task.pin->devices.empty() &&
                               static_cast<int>(task.pin->devices.size()) != configuration.devices;
      if (!other_count)
        options.push_back({c, configuration.devices, duration_millis(configuration.duration_seconds)});
    }
    return pareto(std::move(options));
  }

  void add_tasks() {
    for (size_t t = 0; t < problem_.tasks.size(); ++t) {
      const ProblemTask& task = problem_.tasks[t];
      InstanceTask added;
      added.task = static_cast<int>(t);
      if (task.pin) {
        added.node = task.pin->node.value_or(-1);
        added.devices = task.pin->devices;
        if (!added.devices.empty() && added.node < 0) added.node = 0;
        std::sort(added.devices.begin(), added.devices.end());
      }
      bool any = false;
      for (int group = 0; group < instance_.groups; ++group) {
        const bool elsewhere =
            added.node >= 0 && instance_.nodes[static_cast<size_t>(added.node)].group != group;
        added.options.push_back(elsewhere ? std::vector<Option>() : options_of(task, group));
        any |= !added.options.back().empty();
      }
      add_staying(task, instance_, added);
      any |= added.home >= 0;
      if (task.configurations.empty() && !any)
        errors_.push_back(fmt::format("task '{}' has no configuration", task.name));
      else if (!any)
        errors_.push_back(fmt::format("task '{}' fits on no node{}: it needs {}; there is {}", task.name,
                                      added.node >= 0 ? " it may use" : "", needs(task),
                                      sizes(problem_, task)));
      if (task.pin && task.pin->start_seconds)
        pinned_.emplace(static_cast<int>(t), std::move(added));
      else
        instance_.tasks.push_back(std::move(added));
    }
  }

  /// The pin left no choice: one configuration, on these devices.
  bool decided(const Placement& placement) const {
    const InstanceTask& task = pinned_.at(placement.task);
    const InstanceNode& node = instance_.nodes[static_cast<size_t>(placement.node)];
    const bool one_node = task.node >= 0 || instance_.nodes.size() == 1;
    const bool one_device_set = !task.devices.empty() || placement.devices.size() == node.free.size();
    return one_node && one_device_set && task.options[static_cast<size_t>(node.group)].size() == 1;
  }

  Millis shortest(const InstanceTask& task) const {
    Millis least = kForever;
    for (const std::vector<Option>& options : task.options)
      for (const Option& option : options) least = std::min(least, option.duration);
    return least;
  }

  /// A placed task that begins just when its devices become free only makes them free later.
  void fold_placed() {
    std::vector<Placement> by_start = instance_.placed;
    std::sort(by_start.begin(), by_start.end(),
              [](const Placement& a, const Placement& b) { return a.start < b.start; });
    for (const Placement& placement : by_start) {
      const InstanceTask& task = pinned_.at(placement.task);
      instance_.floor = std::max(instance_.floor, placement.start + shortest(task));
      std::vector<Millis>& free = instance_.nodes[static_cast<size_t>(placement.node)].free;
      const bool contiguous =
          std::all_of(placement.devices.begin(), placement.devices.end(),
                      [&](int device) { return free[static_cast<size_t>(device)] == placement.start; });
      if (contiguous && decided(placement)) {
        for (const int device : placement.devices) free[static_cast<size_t>(device)] = placement.end();
      } else {
        instance_.islands.push_back(placement);
        instance_.island_tasks.push_back(task);
      }
    }
  }

  /// Who is pinned to all devices of a node is pinned to the node: those stay interchangeable.
  void free_whole_nodes() {
    for (InstanceTask& task : instance_.tasks) {
      const bool ordered = task.rank >= 0 || task.first;
      if (task.devices.empty() || ordered) continue;
      if (task.devices.size() == instance_.nodes[static_cast<size_t>(task.node)].free.size())
        task.devices.clear();
    }
  }

  const Problem& problem_;
  std::vector<const ProblemNode*> group_node_;  ///< one node of each group
  Instance instance_;
  std::map<int, InstanceTask> pinned_;  ///< by problem task: those with a pinned start
  std::vector<std::string> errors_;
};

}  // namespace

bool is_time(double seconds) {
  return seconds >= 0 && seconds <= kLongestSeconds;
}  // false for NaN

Millis duration_millis(double seconds) {
  return std::max<Millis>(1, std::llround(seconds * 1000));
}

Millis release_millis(double seconds) {
  // 0.1 + 0.2 must not cost a millisecond.
  return std::max<Millis>(0, static_cast<Millis>(std::ceil(seconds * 1000 - 1e-3)));
}

void classify(Instance& instance) {
  instance.classes.clear();
  instance.regular = instance.islands.empty();
  for (const InstanceTask& task : instance.tasks) instance.regular &= task.devices.empty();
  std::map<std::vector<Millis>, int> classes;
  for (size_t t = 0; t < instance.tasks.size(); ++t) {
    InstanceTask& task = instance.tasks[t];
    std::vector<Millis> key{task.node, task.home};
    for (const int device : task.devices) key.push_back(device);
    for (const std::vector<Option>& options : task.options) {
      key.push_back(-1);
      for (const Option& option : options) {
        key.push_back(option.devices);
        key.push_back(option.duration);
        if (option.nodes() > 1) key.push_back(-1 - option.nodes());
      }
    }
    const auto [found, added] = classes.emplace(std::move(key), static_cast<int>(classes.size()));
    if (added) instance.classes.emplace_back();
    task.task_class = found->second;
    instance.classes[static_cast<size_t>(task.task_class)].members.push_back(static_cast<int>(t));
  }
}

std::vector<Placement> Instance::fixed() const {
  std::set<int> open;
  for (const InstanceTask& task : tasks) open.insert(task.task);
  for (const Placement& island : islands) open.insert(island.task);
  std::vector<Placement> result;
  for (const Placement& placement : placed)
    if (!open.contains(placement.task)) result.push_back(placement);
  return result;
}

Millis Instance::start_across(const InstanceTask& task, const Option& option) const {
  std::vector<Millis> starts;
  for (const InstanceNode& node : nodes) {
    const std::vector<Option>& there = task.options[static_cast<size_t>(node.group)];
    if (std::none_of(there.begin(), there.end(), [&](const Option& other) {
          return other.configuration == option.configuration && other.same_shape(option);
        }))
      continue;
    std::vector<Millis> free = node.free;
    std::sort(free.begin(), free.end());
    starts.push_back(free[static_cast<size_t>(option.devices_per_node()) - 1]);
  }
  const auto last = starts.begin() + std::min<std::ptrdiff_t>(option.nodes(), std::ssize(starts)) - 1;
  std::nth_element(starts.begin(), last, starts.end());
  return *last;
}

Instance make_instance(const Problem& problem) {
  return Builder(problem).build();
}

Instance relaxed(const Instance& instance) {
  Instance result = instance;
  for (const InstanceTask& task : instance.island_tasks) result.tasks.push_back(task);
  for (InstanceTask& task : result.tasks) {
    task.devices.clear();
    task.after.clear();
    task.rank = -1;
    task.not_before = 0;
    task.first = false;
    task.uprooted = false;
    result.running |= task.home >= 0;
  }
  result.ordered = false;
  result.islands.clear();
  result.island_tasks.clear();
  classify(result);
  return result;
}

}  // namespace saturn
