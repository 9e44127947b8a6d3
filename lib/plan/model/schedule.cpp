// SPDX-License-Identifier: Apache-2.0
#include "plan/model/schedule.h"

#include <algorithm>
#include <map>

#include "plan/model/pinned_order.h"

namespace saturn {
namespace {

struct Busy {
  Millis start;
  Millis end;
};

/// The devices of one node one by one: for pins that make them different.
class Calendar {
 public:
  Calendar(const Instance& instance, int node)
      : free_(instance.nodes[static_cast<size_t>(node)].free), busy_(free_.size()) {
    for (const Placement& island : instance.islands)
      if (island.node == node) add(island.devices, {island.start, island.end()});
  }

  /// Places the gang as early as it fits, not before `earliest`, on `pinned` when that is not empty.
  std::pair<Millis, std::vector<int>> place(const Option& option, const std::vector<int>& pinned,
                                            Millis earliest) {
    std::vector<Millis> times = free_;
    times.push_back(earliest);
    for (const std::vector<Busy>& device : busy_)
      for (const Busy& busy : device) times.push_back(busy.end);
    std::sort(times.begin(), times.end());
    times.erase(std::unique(times.begin(), times.end()), times.end());
    for (const Millis time : times) {
      if (time < earliest) continue;
      std::vector<int> devices = devices_at(time, option, pinned);
      if (devices.empty()) continue;
      add(devices, {time, time + option.duration});
      return {time, std::move(devices)};
    }
    return {times.back(), {}};  // not reached: after the last end everything is free
  }

  Millis last_end(size_t device) const {
    Millis last = free_[device];
    for (const Busy& busy : busy_[device]) last = std::max(last, busy.end);
    return last;
  }
  size_t size() const { return free_.size(); }

 private:
  void add(const std::vector<int>& devices, Busy busy) {
    for (const int device : devices) busy_[static_cast<size_t>(device)].push_back(busy);
  }

  /// The devices with the shortest idle time before `time`; empty when too few are free for the whole run.
  std::vector<int> devices_at(Millis time, const Option& option, const std::vector<int>& pinned) const {
    std::vector<std::pair<Millis, int>> usable;
    for (size_t device = 0; device < free_.size(); ++device) {
      const int index = static_cast<int>(device);
      if (!pinned.empty() && std::find(pinned.begin(), pinned.end(), index) == pinned.end()) continue;
      Millis since = free_[device];
      bool clash = since > time;
      for (const Busy& busy : busy_[device]) {
        clash |= busy.start < time + option.duration && time < busy.end;
        if (busy.end <= time) since = std::max(since, busy.end);
      }
      if (!clash) usable.emplace_back(-since, index);
    }
    if (static_cast<int>(usable.size()) < option.devices) return {};
    std::sort(usable.begin(), usable.end());
    std::vector<int> devices;
    for (int i = 0; i < option.devices; ++i) devices.push_back(usable[static_cast<size_t>(i)].second);
    std::sort(devices.begin(), devices.end());
    return devices;
  }

  std::vector<Millis> free_;
  std::vector<std::vector<Busy>> busy_;
};

/// The order in which the slots are placed: first the gangs that stay, whose devices are free at time 0 only.
std::vector<Slot> in_placing_order(const Instance& instance, const std::vector<Slot>& sequence) {
  std::vector<Slot> result = instance.ordered ? in_pinned_order(instance, sequence) : sequence;
  if (instance.running)
    std::stable_partition(result.begin(), result.end(), [](const Slot& slot) { return slot.option.stays(); });
  return result;
}

/// Places the slots one by one and tells `visit` of each: slot, start, devices.
template <class Visit>
Calendar fill_calendar(const Instance& instance, int node, const std::vector<Slot>& sequence, Visit visit) {
  Calendar calendar(instance, node);
  std::map<int, Millis> ends;  // of the tasks of pinned order
  for (const Slot& slot : in_placing_order(instance, sequence)) {
    const InstanceTask& task = instance.tasks[static_cast<size_t>(slot.task)];
    Millis earliest = task.not_before;
    for (const int before : task.after) earliest = std::max(earliest, ends.at(before));
    const std::vector<int>& pinned = slot.option.stays() ? task.home_devices : task.devices;
    auto [start, devices] = calendar.place(slot.option, pinned, earliest);
    if (task.rank >= 0) ends[slot.task] = start + slot.option.duration;
    visit(slot, start, std::move(devices));
  }
  return calendar;
}

NodeFinish finish_by_calendar(const Instance& instance, int node, const std::vector<Slot>& sequence) {
  NodeFinish result;
  const Calendar calendar =
      fill_calendar(instance, node, sequence, [&](const Slot& slot, Millis start, const std::vector<int>&) {
        result.add(slot.option, start + slot.option.duration);
      });
  for (size_t device = 0; device < calendar.size(); ++device)
    result.free_sum += static_cast<double>(calendar.last_end(device));
  return result;
}

void decode_by_calendar(const Instance& instance, int node, const std::vector<Slot>& sequence,
                        std::vector<Placement>& placements) {
  fill_calendar(instance, node, sequence, [&](const Slot& slot, Millis start, std::vector<int> devices) {
    placements.push_back({instance.tasks[static_cast<size_t>(slot.task)].task, slot.option.configuration,
                          node, std::move(devices), start, slot.option.duration});
  });
}

/// Puts the gang on its own devices, at time 0.
Placement stay(const Instance& instance, int node, const Slot& slot,
               std::vector<std::pair<Millis, int>>& free) {
  const InstanceTask& task = instance.tasks[static_cast<size_t>(slot.task)];
  Placement placement{task.task, kStays, node, task.home_devices, 0, slot.option.duration};
  for (auto& [time, device] : free)
    if (std::find(placement.devices.begin(), placement.devices.end(), device) != placement.devices.end())
      time = placement.end();
  return placement;
}

/// Timeline with the devices' names: the same choices.
void decode_interchangeable(const Instance& instance, int node, const std::vector<Slot>& sequence,
                            std::vector<Placement>& placements) {
  std::vector<std::pair<Millis, int>> free;
  const std::vector<Millis>& released = instance.nodes[static_cast<size_t>(node)].free;
  for (size_t device = 0; device < released.size(); ++device)
    free.emplace_back(released[device], static_cast<int>(device));
  for (const Slot& slot : in_placing_order(instance, sequence)) {
    if (slot.option.stays()) {
      placements.push_back(stay(instance, node, slot, free));
      continue;
    }
    const auto count = static_cast<size_t>(slot.option.devices);
    std::sort(free.begin(), free.end(), [](const auto& a, const auto& b) {
      // Descending devices at the same time: the lowest ones are at the end, where they are taken from.
      return a.first != b.first ? a.first < b.first : a.second > b.second;
    });
    const Millis start = free[count - 1].first;
    size_t usable = count;
    while (usable < free.size() && free[usable].first <= start) ++usable;
    Placement placement{instance.tasks[static_cast<size_t>(slot.task)].task,
                        slot.option.configuration,
                        node,
                        {},
                        start,
                        slot.option.duration};
    for (size_t i = usable - count; i < usable; ++i) {
      placement.devices.push_back(free[i].second);
      free[i].first = placement.end();
    }
    std::sort(placement.devices.begin(), placement.devices.end());
    placements.push_back(std::move(placement));
  }
}

bool needs_calendar(const Instance& instance, int node, const std::vector<Slot>& sequence) {
  return std::any_of(instance.islands.begin(), instance.islands.end(),
                     [node](const Placement& island) { return island.node == node; }) ||
         std::any_of(sequence.begin(), sequence.end(), [&](const Slot& slot) {
           return !instance.tasks[static_cast<size_t>(slot.task)].devices.empty();
         });
}

/// One past the last device that is free when so many are.
size_t usable_for(const std::vector<Millis>& free, size_t count) {
  size_t usable = count;
  while (usable < free.size() && free[usable] <= free[count - 1]) ++usable;
  return usable;
}

}  // namespace

Timeline::Timeline(std::vector<Millis> free) : free_(std::move(free)) {
  std::sort(free_.begin(), free_.end());
}

Millis place_gang(std::vector<Millis>& free, int devices, Millis duration) {
  const auto count = static_cast<size_t>(devices);
  const Millis end = free[count - 1] + duration;
  const size_t usable = usable_for(free, count);
  // The gang's devices move from [usable - count, usable) to behind every device that is free before `end`.
  size_t to = usable;
  for (; to < free.size() && free[to] < end; ++to) free[to - count] = free[to];
  std::fill(free.begin() + static_cast<std::ptrdiff_t>(to - count),
            free.begin() + static_cast<std::ptrdiff_t>(to), end);
  return end;
}

Millis idle_before(const std::vector<Millis>& free, int devices) {
  const auto count = static_cast<size_t>(devices);
  const size_t usable = usable_for(free, count);
  Millis idle = 0;
  for (size_t device = usable - count; device < usable; ++device) idle += free[count - 1] - free[device];
  return idle;
}

NodeFinish finish_of(const Instance& instance, int node, const std::vector<Slot>& sequence) {
  if (!instance.regular && needs_calendar(instance, node, sequence))
    return finish_by_calendar(instance, node, sequence);
  Timeline timeline(instance.nodes[static_cast<size_t>(node)].free);
  NodeFinish result;
  const auto place = [&](const Slot& slot) {
    result.add(slot.option, timeline.place(slot.option.devices, slot.option.duration));
  };
  if (instance.running)  // those that stay go first
    for (const Slot& slot : sequence)
      if (slot.option.stays()) place(slot);
  for (const Slot& slot : sequence)
    if (!slot.option.stays()) place(slot);
  for (const Millis free : timeline.free()) result.free_sum += static_cast<double>(free);
  return result;
}

std::vector<Placement> decode(const Instance& instance, const Sequences& sequences) {
  std::vector<Placement> placements = instance.placed;
  for (size_t n = 0; n < sequences.size(); ++n) {
    const int node = static_cast<int>(n);
    if (needs_calendar(instance, node, sequences[n]))
      decode_by_calendar(instance, node, sequences[n], placements);
    else
      decode_interchangeable(instance, node, sequences[n], placements);
  }
  return placements;
}

Millis makespan_of(const std::vector<Placement>& placements) {
  Millis last = 0;
  for (const Placement& placement : placements) last = std::max(last, placement.end());
  return last;
}

}  // namespace saturn
