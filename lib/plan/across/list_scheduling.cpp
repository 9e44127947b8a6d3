// SPDX-License-Identifier: Apache-2.0
#include "plan/across/list_scheduling.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "plan/model/index.h"
#include "plan/model/pins.h"
#include "plan/model/running.h"

namespace saturn {
namespace {

constexpr Millis kNotPlaced = -1;

bool by_time(const std::pair<Millis, int>& a, const std::pair<Millis, int>& b) {
  return a.first != b.first ? a.first < b.first : a.second > b.second;
}

/// No way to have anything of it: another one takes no more nodes, devices and time.
bool is_dominated(const Way& way, const Way& other, bool other_is_first) {
  if (way.configuration == kStays || other.configuration == kStays) return false;
  if (other.nodes > way.nodes || other.devices > way.devices || other.duration > way.duration) return false;
  if (way.nodes == other.nodes && way.devices == other.devices && way.duration == other.duration &&
      !other_is_first)
    return false;
  return other.places == way.places ||
         std::includes(other.places.begin(), other.places.end(), way.places.begin(), way.places.end());
}

std::string needs(const ProblemTask& task) {
  std::set<std::string> texts;
  for (const Configuration& way : task.configurations)
    texts.insert(fmt::format("{} x {}{}", way.devices, way.device_kind, across_text(way.nodes)));
  return fmt::format("{}", fmt::join(texts, ", "));
}

}  // namespace

struct ListScheduling::State {
  std::vector<Free> free;    ///< per node
  std::vector<Millis> ends;  ///< per task; kNotPlaced = it has no place yet
  std::vector<int> turn_of;  ///< per task; only where there is an order
  NodeFinish finish;         ///< of all
  std::vector<Gang>* gangs;  ///< null: only the outcome is wanted
};

ListScheduling::ListScheduling(const Problem& problem) : problem_(problem) {
  const size_t tasks = problem.tasks.size();
  std::vector<std::string> errors;
  check_across(problem, errors);
  const auto fail_if_any = [&] {
    if (errors.empty()) return;
    std::vector<Diagnostic> diagnostics;
    for (const std::string& error : errors) diagnostics.push_back({"", 0, 0, error, ""});
    throw InputError(std::move(diagnostics));
  };
  fail_if_any();
  for (const ProblemNode& node : problem.nodes) {
    Free& free = released_.emplace_back();
    for (size_t device = 0; device < node.free_at_seconds.size(); ++device)
      free.emplace_back(release_millis(node.free_at_seconds[device]), static_cast<int>(device));
    std::sort(free.begin(), free.end(), by_time);
    islands_.emplace_back(node.free_at_seconds.size());
  }
  has_islands_.assign(problem.nodes.size(), false);
  ways_.resize(tasks);
  devices_.resize(tasks);
  after_.resize(tasks);
  not_before_.assign(tasks, 0);
  first_.assign(tasks, false);
  add_pinned(errors);
  fail_if_any();
  add_order(errors);
  fail_if_any();
  add_ways(errors);
  fail_if_any();
}

/// Where pins leave something open, it is decided here, and the same for all that follows.
void ListScheduling::add_pinned(std::vector<std::string>& errors) {
  // Parts and tasks on one node together, so that whoever has a choice leaves the others their devices.
  Problem parts;
  parts.nodes = problem_.nodes;
  std::vector<std::pair<int, int>> of;  // task and configuration, per part
  std::vector<std::vector<int>> ways;   // per part
  for (size_t t = 0; t < problem_.tasks.size(); ++t) {
    const ProblemTask& task = problem_.tasks[t];
    if (!task.pin || !task.pin->start_seconds) {
      open_.push_back(static_cast<int>(t));
      continue;
    }
    std::vector<int> here = ways_within_pin(task);
    const auto is_across = [&](int c) { return task.configurations[at(c)].nodes > 1; };
    const bool across = std::all_of(here.begin(), here.end(), is_across);
    std::erase_if(here, [&](int c) { return is_across(c) != across; });
    if (here.empty()) {
      errors.push_back(fmt::format("task '{}' has no configuration", task.name));
      continue;
    }
    Pin pin = *task.pin;
    pin.after.clear();
    pin.further.clear();
    if (!across) {
      ProblemTask added{task.name, {}, pin};
      for (const int c : here) added.configurations.push_back(task.configurations[at(c)]);
      if (pin.configuration) added.pin->configuration = 0;
      parts.tasks.push_back(std::move(added));
      of.emplace_back(static_cast<int>(t), 0);
      ways.push_back(std::move(here));
      continue;
    }
    const Configuration& whole = task.configurations[at(here.front())];
    std::vector<GangPart> places;
    if (pin.node) {
      places.push_back({*pin.node, pin.devices});
      places.insert(places.end(), task.pin->further.begin(), task.pin->further.end());
    } else {
      for (size_t n = 0; n < problem_.nodes.size() && std::ssize(places) < whole.nodes; ++n)
        if (may_be_on(whole, problem_.nodes[n])) places.push_back({static_cast<int>(n), {}});
    }
    if (std::ssize(places) < whole.nodes)
      errors.push_back(
          fmt::format("task '{}' fits on no {} nodes: it needs {}", task.name, whole.nodes, needs(task)));
    for (size_t p = 0; p < places.size(); ++p) {
      const Configuration on_this{whole.parallelism, whole.knobs, whole.device_kind, whole.devices_per_node(),
                                  whole.duration_seconds};
      parts.tasks.push_back(
          {task.name, {on_this}, Pin{0, places[p].node, places[p].devices, pin.start_seconds}});
      of.emplace_back(static_cast<int>(t), static_cast<int>(p));
      ways.push_back({here.front()});
    }
  }
  check_pins(parts, errors);
  if (!errors.empty()) return;
  std::vector<Placement> placements = place_pinned(parts, errors);
  std::sort(placements.begin(), placements.end(),
            [](const Placement& a, const Placement& b) { return a.task < b.task; });
  for (Placement& placement : placements) {
    const auto& [task, part] = of[at(placement.task)];
    for (const int device : placement.devices)
      islands_[at(placement.node)][at(device)].push_back({placement.start, placement.end()});
    has_islands_[at(placement.node)] = true;
    if (part == 0)
      pinned_.push_back({task,
                         ways[at(placement.task)][at(placement.configuration)],
                         placement.start,
                         placement.duration,
                         {}});
    pinned_.back().parts.push_back({placement.node, std::move(placement.devices)});
  }
}

void ListScheduling::add_order(std::vector<std::string>& errors) {
  std::map<int, Millis> pinned_end;
  for (const Gang& gang : pinned_) pinned_end.emplace(gang.task, gang.end());
  const auto count = static_cast<int>(problem_.tasks.size());
  for (int t = 0; t < count; ++t) {
    const std::optional<Pin>& pin = problem_.tasks[at(t)].pin;
    if (!pin) continue;
    for (const int before : pin->after) {
      if (before < 0 || before >= count || before == t) {
        errors.push_back(
            fmt::format("task '{}': pinned to run after task {}, but there are {}, itself left out",
                        problem_.tasks[at(t)].name, before, count));
        continue;
      }
      ordered_ = true;
      const auto placed = pinned_end.find(before);
      if (placed == pinned_end.end())
        after_[at(t)].push_back(before);
      else
        not_before_[at(t)] = std::max(not_before_[at(t)], placed->second);
    }
  }
  std::vector<int> state(at(count), 0);  // 1 = on the way, 2 = seen
  const std::function<bool(int)> visit = [&](int t) {
    if (state[at(t)] == 2) return true;
    if (std::exchange(state[at(t)], 1) == 1) {
      errors.push_back(fmt::format("task '{}' is pinned to run after itself, by way of others",
                                   problem_.tasks[at(t)].name));
      return false;
    }
    for (const int before : after_[at(t)])
      if (!visit(before)) return false;
    state[at(t)] = 2;
    return true;
  };
  for (int t = 0; t < count; ++t)
    if (!visit(t)) return;
  const std::function<void(int)> hurry = [&](int t) {
    for (const int before : after_[at(t)]) {
      if (first_[at(before)]) continue;
      first_[at(before)] = true;
      hurry(before);
    }
  };
  for (const Gang& gang : pinned_) hurry(gang.task);
}

/// Whether a pinned gang, or one that has to come first, needs the devices while that one would stay.
bool ListScheduling::pinned_in_the_way(const Running& running, Millis duration) const {
  return any_device(running, [&](int node, int device) {
    if (!is_clear(node, device, 0, duration)) return true;
    for (const int t : open_) {
      const std::vector<GangPart>& parts = devices_[at(t)];
      if (first_[at(t)] && std::any_of(parts.begin(), parts.end(), [&](const GangPart& part) {
            return part.node == node &&
                   std::find(part.devices.begin(), part.devices.end(), device) != part.devices.end();
          }))
        return true;
    }
    return false;
  });
}

void ListScheduling::add_ways(std::vector<std::string>& errors) {
  for (const int t : open_) {
    const std::optional<Pin>& pin = problem_.tasks[at(t)].pin;
    if (!pin || pin->devices.empty()) continue;
    devices_[at(t)] = {{pin->node.value_or(0), pin->devices}};
    devices_[at(t)].insert(devices_[at(t)].end(), pin->further.begin(), pin->further.end());
    for (GangPart& part : devices_[at(t)]) std::sort(part.devices.begin(), part.devices.end());
  }
  for (const int t : open_) {
    const ProblemTask& task = problem_.tasks[at(t)];
    std::vector<Way> all;
    for (const int c : ways_within_pin(task)) {
      const Configuration& configuration = task.configurations[at(c)];
      Way way{c,
              configuration.nodes,
              at(configuration.devices_per_node()),
              duration_millis(configuration.duration_seconds),
              {}};
      if (task.pin && task.pin->node) {
        way.places.push_back(*task.pin->node);
        for (const GangPart& part : task.pin->further) way.places.push_back(part.node);
        std::erase_if(way.places, [&](int n) { return !may_be_on(configuration, problem_.nodes[at(n)]); });
      } else {
        for (size_t n = 0; n < problem_.nodes.size(); ++n)
          if (may_be_on(configuration, problem_.nodes[n])) way.places.push_back(static_cast<int>(n));
      }
      if (std::ssize(way.places) >= way.nodes) all.push_back(std::move(way));
    }
    for (size_t i = 0; i < all.size(); ++i) {
      const bool dominated = [&] {
        for (size_t j = 0; j < all.size(); ++j)
          if (i != j && is_dominated(all[i], all[j], j < i)) return true;
        return false;
      }();
      if (!dominated) ways_[at(t)].push_back(all[i]);
    }
    add_staying(t);
    if (ways_[at(t)].empty())
      errors.push_back(
          task.running && task.configurations.empty()
              ? fmt::format("task '{}' can only stay where it runs, but other tasks are pinned to "
                            "its devices",
                            task.name)
          : task.configurations.empty()
              ? fmt::format("task '{}' has no configuration", task.name)
              : fmt::format("task '{}' fits on no nodes{}: it needs {}", task.name,
                            task.pin && task.pin->node ? " it may use" : "", needs(task)));
  }
}

void ListScheduling::add_staying(int task) {
  const ProblemTask& of = problem_.tasks[at(task)];
  if (!may_stay(of)) return;
  const Running& running = *of.running;
  const Millis duration = duration_millis(running.staying.duration_seconds);
  if (pinned_in_the_way(running, duration)) return;
  Way way{kStays, running.staying.nodes, running.devices.size(), duration, {}};
  for_each_part(running, [&](int node, const std::vector<int>&) { way.places.push_back(node); });
  ways_[at(task)].push_back(std::move(way));
}

bool ListScheduling::is_clear(int node, int device, Millis start, Millis end) const {
  for (const Busy& busy : islands_[at(node)][at(device)])
    if (busy.start < end && start < busy.end) return false;
  return true;
}

/// The devices that the task must have there; null: any.
const std::vector<int>* ListScheduling::wanted(int task, const Way& way, int node) const {
  if (way.configuration == kStays) {
    const Running& running = *problem_.tasks[at(task)].running;
    if (running.node == node) return &running.devices;
    for (const GangPart& part : running.further)
      if (part.node == node) return &part.devices;
  }
  for (const GangPart& part : devices_[at(task)])
    if (part.node == node && !part.devices.empty()) return &part.devices;
  return nullptr;
}

/// From when on a part of the gang can run on the node, not before `from`.
Millis ListScheduling::earliest(const State& state, int node, const Way& way, int task, Millis from) const {
  const Free& free = state.free[at(node)];
  const std::vector<int>* these = wanted(task, way, node);
  const auto is_wanted = [&](int device) {
    return these == nullptr || std::find(these->begin(), these->end(), device) != these->end();
  };
  if (!has_islands_[at(node)]) {
    if (these == nullptr) return std::max(from, free[way.devices - 1].first);
    for (const auto& [time, device] : free)
      if (is_wanted(device)) from = std::max(from, time);
    return from;
  }
  std::vector<Millis> times{from};
  for (const auto& [time, device] : free)
    if (time > from) times.push_back(time);
  for (const std::vector<Busy>& device : islands_[at(node)])
    for (const Busy& busy : device)
      if (busy.end > from) times.push_back(busy.end);
  std::sort(times.begin(), times.end());
  for (const Millis start : times) {
    const auto count = std::count_if(free.begin(), free.end(), [&](const auto& entry) {
      return entry.first <= start && is_wanted(entry.second) &&
             is_clear(node, entry.second, start, start + way.duration);
    });
    if (count >= static_cast<std::ptrdiff_t>(way.devices)) return start;
  }
  return times.back();  // not reached: after the last end everything is free
}

/// Those whose devices stay idle for the shortest time before; returns when they all are free.
std::pair<Millis, std::vector<int>> ListScheduling::choose_nodes(const State& state, const Turn& turn,
                                                                 const Way& way, Millis from) const {
  const auto count = static_cast<size_t>(way.nodes);
  std::vector<std::pair<Millis, int>> starts;
  Millis start = from;
  while (true) {
    starts.clear();
    for (const int node : way.places) starts.emplace_back(earliest(state, node, way, turn.task, start), node);
    std::sort(starts.begin(), starts.end());
    const Millis next = starts[count - 1].first;
    if (next == start) break;
    start = next;
  }
  std::erase_if(starts, [&](const auto& entry) { return entry.first > start; });
  if (starts.size() > count) {
    // Since when the part's devices have been free, the last ones first.
    for (auto& [since, node] : starts) {
      const Free& free = state.free[at(node)];
      size_t usable = way.devices;
      while (usable < free.size() && free[usable].first <= start) ++usable;
      since = node == turn.node ? -start - 1 : -free[usable - way.devices].first;
    }
    std::stable_sort(starts.begin(), starts.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    starts.resize(count);
  }
  std::vector<int> nodes;
  for (const int node : way.places)  // rank 0's first, where that is pinned
    if (std::any_of(starts.begin(), starts.end(), [&](const auto& entry) { return entry.second == node; }))
      nodes.push_back(node);
  return {start, std::move(nodes)};
}

int ListScheduling::choose_node(const State& state, const Turn& turn, const Way& way, Millis from,
                                Millis& start) const {
  if (turn.node >= 0 && std::find(way.places.begin(), way.places.end(), turn.node) != way.places.end()) {
    start = earliest(state, turn.node, way, turn.task, from);
    return turn.node;
  }
  int best = -1;
  Millis best_since = 0;
  for (const int node : way.places) {
    const Millis there = earliest(state, node, way, turn.task, from);
    if (best >= 0 && there > start) continue;
    const Free& free = state.free[at(node)];
    size_t usable = way.devices;
    while (usable < free.size() && free[usable].first <= there) ++usable;
    const Millis since = free[usable - way.devices].first;
    if (best >= 0 && there == start && since <= best_since) continue;
    best = node;
    start = there;
    best_since = since;
  }
  return best;
}

/// Returns the devices, ascending, when gangs are wanted.
std::vector<int> ListScheduling::take(State& state, int node, const Way& way, int task, Millis start) const {
  Free& free = state.free[at(node)];
  const Millis end = start + way.duration;
  const std::vector<int>* these = wanted(task, way, node);
  std::vector<int> devices;
  size_t left = way.devices;
  // From the last that became free by then.
  for (size_t i = free.size(); i-- > 0 && left > 0;) {
    auto& [time, device] = free[i];
    if (time > start) continue;
    if (these != nullptr && std::find(these->begin(), these->end(), device) == these->end()) continue;
    if (has_islands_[at(node)] && !is_clear(node, device, start, end)) continue;
    time = end;
    --left;
    if (state.gangs != nullptr) devices.push_back(device);
  }
  std::sort(free.begin(), free.end(), by_time);
  std::sort(devices.begin(), devices.end());
  return devices;
}

void ListScheduling::place(const Turns& turns, size_t number, State& state) const {
  const Turn& turn = turns[number];
  if (state.ends[at(turn.task)] != kNotPlaced) return;
  Millis from = not_before_[at(turn.task)];
  for (const int before : after_[at(turn.task)]) {
    place(turns, at(state.turn_of[at(before)]), state);
    from = std::max(from, state.ends[at(before)]);
  }
  const Way& way = ways_[at(turn.task)][at(turn.way)];
  Millis start = 0;
  std::vector<int> nodes;
  if (way.configuration == kStays)
    nodes = way.places;
  else if (way.nodes == 1)
    nodes = {choose_node(state, turn, way, from, start)};
  else
    std::tie(start, nodes) = choose_nodes(state, turn, way, from);
  const Millis end = start + way.duration;
  Gang gang{turn.task, way.configuration, start, way.duration, {}};
  for (const int node : nodes) {
    std::vector<int> devices = take(state, node, way, turn.task, start);
    if (state.gangs != nullptr) gang.parts.push_back({node, std::move(devices)});
  }
  state.ends[at(turn.task)] = end;
  state.finish.finish = std::max(state.finish.finish, end);
  state.finish.area += way.area();
  state.finish.completions += static_cast<double>(end);
  if (state.gangs != nullptr) state.gangs->push_back(std::move(gang));
}

void ListScheduling::place_all(const Turns& turns, State& state) const {
  state.free = released_;
  state.ends.assign(problem_.tasks.size(), kNotPlaced);
  for (const Gang& gang : pinned_) {
    state.ends[at(gang.task)] = gang.end();
    state.finish.finish = std::max(state.finish.finish, gang.end());
    state.finish.area +=
        gang.duration * static_cast<Millis>(gang.parts.size() * gang.parts[0].devices.size());
    state.finish.completions += static_cast<double>(gang.end());
    if (state.gangs != nullptr) state.gangs->push_back(gang);
  }
  if (ordered_) {
    state.turn_of.resize(problem_.tasks.size());
    for (size_t i = 0; i < turns.size(); ++i) state.turn_of[at(turns[i].task)] = static_cast<int>(i);
  }
  const auto stays = [&](const Turn& turn) {
    return ways_[at(turn.task)][at(turn.way)].configuration == kStays;
  };
  for (size_t i = 0; i < turns.size(); ++i)
    if (stays(turns[i])) place(turns, i, state);
  if (ordered_)
    for (size_t i = 0; i < turns.size(); ++i)
      if (first_[at(turns[i].task)]) place(turns, i, state);
  for (size_t i = 0; i < turns.size(); ++i) place(turns, i, state);
}

ListScheduling::Outcome ListScheduling::outcome(const Turns& turns) const {
  State state{{}, {}, {}, {}, nullptr};
  place_all(turns, state);
  Outcome outcome{{state.finish.finish, state.finish.area, state.finish.completions}, 0};
  for (const Free& free : state.free)
    for (const auto& [time, device] : free) outcome.free_sum += static_cast<double>(time);
  return outcome;
}

std::vector<std::vector<Millis>> ListScheduling::free_after(const Turns& turns) const {
  State state{{}, {}, {}, {}, nullptr};
  place_all(turns, state);
  std::vector<std::vector<Millis>> result;
  for (const Free& free : state.free) {
    std::vector<Millis>& times = result.emplace_back();
    for (const auto& [time, device] : free) times.push_back(time);
  }
  return result;
}

std::vector<Gang> ListScheduling::gangs(const Turns& turns) const {
  std::vector<Gang> gangs;
  State state{{}, {}, {}, {}, &gangs};
  place_all(turns, state);
  return gangs;
}

Turns ListScheduling::turns_of(const Plan& plan) const {
  std::map<std::string, int> tasks, nodes;
  for (const int task : open_) tasks.emplace(problem_.tasks[at(task)].name, task);
  for (size_t n = 0; n < problem_.nodes.size(); ++n)
    nodes.emplace(problem_.nodes[n].name, static_cast<int>(n));
  std::vector<const Assignment*> by_start;
  for (const Assignment& line : plan.assignments) by_start.push_back(&line);
  std::stable_sort(by_start.begin(), by_start.end(), [](const Assignment* a, const Assignment* b) {
    return a->start_seconds < b->start_seconds;
  });
  Turns turns;
  for (const Assignment* line : by_start) {
    const auto task = tasks.find(line->task);
    if (task == tasks.end()) continue;  // its start is pinned
    const std::vector<Way>& ways = ways_[at(task->second)];
    const bool staying = stays(problem_, *line);
    Turn turn{task->second, 0, nodes.at(line->node)};
    for (size_t w = 0; w < ways.size(); ++w) {
      const bool same = ways[w].nodes == node_count(*line) && ways[w].devices == line->devices.size();
      if (same && staying == (ways[w].configuration == kStays)) turn.way = static_cast<int>(w);
    }
    turns.push_back(turn);
  }
  return turns;
}

bool ListScheduling::precedes_gang_across(int task, const std::vector<Gang>& gangs) const {
  if (!ordered_) return false;
  const std::function<bool(int)> follows = [&](int later) {
    const std::vector<int>& before = after_[at(later)];
    return std::any_of(before.begin(), before.end(), [&](int b) { return b == task || follows(b); });
  };
  return std::any_of(gangs.begin(), gangs.end(),
                     [&](const Gang& gang) { return gang.parts.size() > 1 && follows(gang.task); });
}

}  // namespace saturn
