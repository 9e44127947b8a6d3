// SPDX-License-Identifier: Apache-2.0
#include "plan/model/running.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <utility>

#include "plan/model/pins.h"

namespace saturn {
namespace {

/// What is wrong with the gang by itself.
std::string wrong_with(const Problem& problem, const Running& running) {
  if (running.node < 0 || running.node >= static_cast<int>(problem.nodes.size()))
    return fmt::format("runs on node {}, but there are {}", running.node, problem.nodes.size());
  const ProblemNode& node = problem.nodes[static_cast<size_t>(running.node)];
  for (const int device : running.devices) {
    if (device < 0 || device >= static_cast<int>(node.free_at_seconds.size()))
      return fmt::format("runs on device {} of node '{}', which has {}", device, node.name,
                         node.free_at_seconds.size());
    if (release_millis(node.free_at_seconds[static_cast<size_t>(device)]) > 0)
      return fmt::format("runs on device {} of node '{}', which is in use until {} s", device, node.name,
                         node.free_at_seconds[static_cast<size_t>(device)]);
  }
  const Configuration& staying = running.staying;
  if (running.devices.empty() || staying.devices != static_cast<int>(running.devices.size()) ||
      staying.device_kind != node.kind)
    return fmt::format("runs on {} x {}, but stays on {} x {}", running.devices.size(), node.kind,
                       staying.devices, staying.device_kind);
  if (!is_time(staying.duration_seconds))
    return fmt::format("takes {} s where it runs; that is between 0 and 1000000000 s",
                       staying.duration_seconds);
  return "";
}

/// Whether the gang's other parts are where the pin wants them.
bool same_further(std::vector<GangPart> pinned, std::vector<GangPart> parts) {
  if (pinned.size() != parts.size()) return false;
  for (size_t p = 0; p < parts.size(); ++p) {
    std::sort(pinned[p].devices.begin(), pinned[p].devices.end());
    std::sort(parts[p].devices.begin(), parts[p].devices.end());
    if (pinned[p].node != parts[p].node) return false;
    if (!pinned[p].devices.empty() && pinned[p].devices != parts[p].devices) return false;
  }
  return true;
}

/// Whether a placed task, or one that has to come first, needs the gang's devices while it would stay.
bool pinned_in_the_way(const Instance& instance, const InstanceTask& task, const Option& staying) {
  return std::any_of(instance.islands.begin(), instance.islands.end(),
                     [&](const Placement& island) {
                       return island.node == task.home && island.start < staying.duration &&
                              share_a_device(island.devices, task.home_devices);
                     }) ||
         std::any_of(instance.tasks.begin(), instance.tasks.end(), [&](const InstanceTask& other) {
           return other.first && other.node == task.home && share_a_device(other.devices, task.home_devices);
         });
}

}  // namespace

void check_running(const Problem& problem, std::vector<std::string>& errors) {
  std::map<std::pair<int, int>, std::string> runs;  // by node and device
  for (const ProblemTask& task : problem.tasks) {
    if (!task.running) continue;
    const std::string wrong = wrong_with(problem, *task.running);
    if (!wrong.empty()) {
      errors.push_back(fmt::format("task '{}' {}", task.name, wrong));
      continue;
    }
    for (const int device : task.running->devices) {
      const auto [found, added] = runs.emplace(std::pair(task.running->node, device), task.name);
      if (added) continue;
      errors.push_back(
          fmt::format("task '{}' runs on device {} of node '{}', but so does task '{}'", task.name, device,
                      problem.nodes[static_cast<size_t>(task.running->node)].name, found->second));
    }
  }
}

bool may_stay(const ProblemTask& task) {
  if (!task.running) return false;
  if (!task.pin) return true;
  const Pin& pin = *task.pin;
  if (pin.start_seconds || !pin.after.empty() || pin.node.value_or(task.running->node) != task.running->node)
    return false;
  std::vector<int> devices = task.running->devices, wanted = pin.devices;
  std::sort(devices.begin(), devices.end());
  std::sort(wanted.begin(), wanted.end());
  if (!wanted.empty() && wanted != devices) return false;
  if (pin.node && !same_further(pin.further, task.running->further)) return false;
  if (!pin.configuration) return true;
  Configuration pinned = task.configurations[static_cast<size_t>(*pin.configuration)];
  pinned.duration_seconds = task.running->staying.duration_seconds;
  return pinned == task.running->staying;
}

void add_staying(const ProblemTask& task, const Instance& instance, InstanceTask& added) {
  if (!may_stay(task)) return;
  const Running& running = *task.running;
  added.home = running.node;
  added.home_devices = running.devices;
  std::sort(added.home_devices.begin(), added.home_devices.end());
  const int group = instance.nodes[static_cast<size_t>(added.home)].group;
  added.options[static_cast<size_t>(group)].push_back(
      {kStays, running.staying.devices, duration_millis(running.staying.duration_seconds)});
}

void yield_to_pinned(const Problem& problem, Instance& instance, std::vector<std::string>& errors) {
  for (size_t t = 0; t < instance.tasks.size(); ++t) {
    const Option* staying = instance.staying(static_cast<int>(t));
    if (staying == nullptr) continue;
    InstanceTask& task = instance.tasks[t];
    const InstanceNode& home = instance.nodes[static_cast<size_t>(task.home)];
    // What is folded into the releases leaves no choice.
    const bool gone = std::any_of(task.home_devices.begin(), task.home_devices.end(),
                                  [&](int device) { return home.free[static_cast<size_t>(device)] > 0; });
    if (gone) {
      task.options[static_cast<size_t>(home.group)].pop_back();
      task.home = -1;
      task.home_devices.clear();
    } else {
      task.uprooted = pinned_in_the_way(instance, task, *staying);
      instance.running |= !task.uprooted;
    }
    bool any = false;
    for (size_t n = 0; n < instance.nodes.size(); ++n)
      any |= task.may_use(static_cast<int>(n), instance.nodes[n].group);
    if (!any)
      errors.push_back(
          fmt::format("task '{}' can only stay where it runs, but other tasks are pinned to its devices",
                      problem.tasks[static_cast<size_t>(task.task)].name));
  }
}

}  // namespace saturn
