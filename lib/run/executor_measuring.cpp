// SPDX-License-Identifier: Apache-2.0
// The executor and tasks that come in without having been measured: devices of one node of each kind are
// lent.
#include <algorithm>
#include <fmt/format.h>
#include <tuple>
#include <utility>

#include "run/executor.h"

namespace saturn {
namespace {

/// Before a deadline: trials have nothing to save.
constexpr double kTrialLeaveSeconds = 10;

}  // namespace

/// The node that is lent: wide enough, and where the fewest devices are in use. Null: none is left.
const Node* Executor::node_to_lend(const LiveTrials::Need& need) const {
  const Node* best = nullptr;
  std::tuple<bool, size_t, size_t> best_key;
  for (const Node& node : setup_.cluster.nodes) {
    const std::vector<Device> devices = standing_devices(node);
    if (node.kind != need.device_kind || devices.empty()) continue;
    const auto held = state_.held.find(node.name);
    const std::tuple key{std::ssize(devices) < need.devices,
                         held == state_.held.end() ? 0 : held->second.size(), devices.size()};
    if (best != nullptr && key >= best_key) continue;
    best = &node;
    best_key = key;
  }
  return best;
}

std::vector<Device> Executor::standing_devices(const Node& node) const {
  std::vector<Device> devices = node.devices;
  std::erase_if(devices, [&](const Device& device) {
    return state_.lost.contains({node.name, device.index});
  });
  return devices;
}

/// Gangs on the nodes that are lent leave with a checkpoint; no others are started there. Says so.
std::string Executor::lend_devices(const std::vector<LiveTrials::Need>& needs) {
  lent_.nodes.clear();
  std::string text;
  for (const LiveTrials::Need& need : needs) {
    const Node* node = node_to_lend(need);
    if (node == nullptr) continue;
    lent_.nodes.push_back(*node);
    lent_.nodes.back().devices = standing_devices(*node);
    MeasuringStarted started{.at = now(), .node = node->name};
    for (const Device& device : lent_.nodes.back().devices) started.devices.push_back(device.index);
    record(started);
    text += fmt::format(
        "\nwhat has not been measured is measured first, on node {}: what runs there writes a "
        "checkpoint, and goes on afterwards",
        node->name);
  }
  for (auto& [gang, live] : live_)
    if (any_device(*state_.tasks.at(live.task).gang,
                   [&](const std::string& node, int) { return state_.measuring.contains(node); }))
      ask_to_leave_once(gang, live);
  return text;
}

/// Begins as soon as the devices are free, and goes on until the trials have ended.
void Executor::measure() {
  if (state_.measuring.empty()) return;
  const bool in_use = std::any_of(lent_.nodes.begin(), lent_.nodes.end(), [&](const Node& node) {
    const auto held = state_.held.find(node.name);
    return held != state_.held.end() && !held->second.empty();
  });
  if (in_use) return;
  try {
    const bool ends = is_ending() || now() + kTrialLeaveSeconds >= setup_.budget.seconds;
    if (!measuring_) {
      if (ends) return end_measuring("given up: the run ends");
      for (Node& node : lent_.nodes) node.devices = standing_devices(node);
      std::erase_if(lent_.nodes, [](const Node& node) { return node.devices.empty(); });
      if (lent_.nodes.empty()) return end_measuring("given up: the devices for it are lost");
      measuring_ = true;
      effects_.trials->begin(lent_);
    }
    if (ends) effects_.trials->cancel();
    effects_.trials->go_on();
  } catch (const std::exception& error) {
    // The run goes on without; but what has begun has to be gone from the devices first.
    measuring_trouble_ = error.what();
    effects_.trials->cancel();
  }
  if (const auto outcome = effects_.trials->ended())
    end_measuring(measuring_trouble_.empty() ? *outcome : std::exchange(measuring_trouble_, ""));
}

void Executor::end_measuring(const std::string& why) {
  measuring_ = false;
  if (effects_.introspector == nullptr) lent_.nodes.clear();  // no other plan will come
  record(MeasuringEnded{now(), why});
  effects_.observer.message("measuring has ended: " + why);
  effects_.trials->complete(setup_);
  if (effects_.introspector != nullptr) effects_.introspector->tasks_changed();
  effects_.observer.tasks_changed(setup_.tasks);
  need_look("tasks have been measured");
}

}  // namespace saturn
