// SPDX-License-Identifier: Apache-2.0
#include "plan/across/relaxation.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "plan/across/gangs.h"
#include "plan/model/pins.h"
#include "plan/model/running.h"

namespace saturn {
namespace {

bool is_pinned_whole(const ProblemTask& task) {
  return task.pin && task.pin->start_seconds && task.pin->configuration && task.pin->node &&
         !task.pin->devices.empty();
}

/// What a task can run as across nodes.
std::vector<Configuration> ways_across(const Problem& problem, const ProblemTask& task) {
  std::vector<Configuration> ways;
  for (const int c : ways_within_pin(task)) {
    const Configuration& way = task.configurations[static_cast<size_t>(c)];
    if (way.nodes > 1 && fits(way, problem.nodes)) ways.push_back(way);
  }
  if (may_stay(task) && task.running->staying.nodes > 1) ways.push_back(task.running->staying);
  return ways;
}

class Relaxer {
 public:
  Relaxer(const Problem& problem, bool with_pinned) : problem_(problem) {
    on_nodes_.nodes = problem.nodes;
    for (const ProblemTask& task : problem.tasks) {
      if (!is_pinned_across(task))
        add(task);
      else if (with_pinned)
        add_parts(task);
    }
  }

  Instance run() {
    Instance instance = relaxed(make_instance(on_nodes_));
    for (InstanceTask& task : instance.tasks) add_ways(instance, of_[static_cast<size_t>(task.task)], task);
    int index = static_cast<int>(on_nodes_.tasks.size());
    for (const std::vector<Configuration>& ways : only_across_) {
      InstanceTask task;
      task.task = index++;
      task.options.resize(static_cast<size_t>(instance.groups));
      add_ways(instance, ways, task);
      instance.tasks.push_back(std::move(task));
    }
    classify(instance);
    // Ends may be at no multiple of the durations' common divisor where a pinned start is not.
    for (const Millis start : dropped_starts_)
      if (!instance.tasks.empty()) instance.placed.push_back({instance.tasks[0].task, 0, 0, {}, start, 0});
    return instance;
  }

 private:
  void add(const ProblemTask& task) {
    std::vector<Configuration> across = ways_across(problem_, task);
    ProblemTask on_one{task.name, {}, task.pin};
    if (on_one.pin) {
      on_one.pin->after.clear();
      on_one.pin->further.clear();
    }
    if (task.running && task.running->staying.nodes == 1) on_one.running = task.running;
    bool fits_somewhere = false;
    for (const int c : ways_within_pin(task)) {
      const Configuration& way = task.configurations[static_cast<size_t>(c)];
      if (way.nodes > 1) continue;
      on_one.configurations.push_back(way);
      fits_somewhere |= fits(way, problem_.nodes);
    }
    const bool stays_on_one = on_one.running && may_stay(task);
    if (on_one.configurations.empty() && across.empty() && !stays_on_one && !task.configurations.empty()) {
      on_one.configurations = task.configurations;  // they fit nowhere: make_instance says so
      on_nodes_.tasks.push_back(std::move(on_one));
      of_.emplace_back();
      return;
    }
    if (!fits_somewhere && !across.empty()) {
      if (stays_on_one) across.push_back(on_one.running->staying);
      drop_start(on_one);
      only_across_.push_back(std::move(across));
      return;
    }
    if (on_one.pin) {
      // ways_within_pin has left that one alone.
      if (on_one.pin->configuration) on_one.pin->configuration = 0;
      if (on_one.configurations.empty()) on_one.pin->configuration.reset();  // an error, or it stays
      if (!is_pinned_whole(task) && !across.empty()) drop_start(on_one);
    }
    on_nodes_.tasks.push_back(std::move(on_one));
    of_.push_back(std::move(across));
  }

  /// Of a task that may still be anything.
  void drop_start(ProblemTask& task) {
    if (!task.pin || !task.pin->start_seconds) return;
    dropped_starts_.push_back(std::llround(*task.pin->start_seconds * 1000));
    task.pin->start_seconds.reset();
  }

  void add_parts(const ProblemTask& task) {
    const Pin& pin = *task.pin;
    const Configuration& whole = task.configurations[static_cast<size_t>(*pin.configuration)];
    std::vector<GangPart> parts{{*pin.node, pin.devices}};
    parts.insert(parts.end(), pin.further.begin(), pin.further.end());
    for (const GangPart& part : parts) {
      const Configuration here{whole.parallelism, whole.knobs, whole.device_kind, whole.devices_per_node(),
                               whole.duration_seconds};
      on_nodes_.tasks.push_back({task.name, {here}, Pin{0, part.node, part.devices, pin.start_seconds}});
      of_.emplace_back();
    }
  }

  /// Before the option to stay, which is the last.
  void add_ways(const Instance& instance, const std::vector<Configuration>& ways, InstanceTask& task) const {
    for (const Configuration& way : ways) {
      const Millis duration = duration_millis(way.duration_seconds);
      const Option option =
          way.nodes > 1 ? Option::across(way.nodes, way.devices, duration) : Option{0, way.devices, duration};
      std::vector<bool> added(static_cast<size_t>(instance.groups), false);
      for (size_t n = 0; n < problem_.nodes.size(); ++n) {
        const auto group = static_cast<size_t>(instance.nodes[n].group);
        if (added[group] || !may_be_on(way, problem_.nodes[n])) continue;
        added[group] = true;
        std::vector<Option>& options = task.options[group];
        options.insert(options.end() - (!options.empty() && options.back().stays() ? 1 : 0), option);
      }
    }
  }

  const Problem& problem_;
  Problem on_nodes_;
  std::vector<std::vector<Configuration>> of_;           ///< per task of that, its ways across nodes
  std::vector<std::vector<Configuration>> only_across_;  ///< of tasks that have no others
  std::vector<Millis> dropped_starts_;
};

}  // namespace

bool is_pinned_across(const ProblemTask& task) {
  return is_pinned_whole(task) &&
         task.configurations[static_cast<size_t>(*task.pin->configuration)].nodes > 1;
}

Instance relaxation(const Problem& problem, bool with_pinned) {
  return Relaxer(problem, with_pinned).run();
}

std::optional<Instance> pieces(const Problem& problem) {
  Problem parts;
  parts.nodes = problem.nodes;
  for (const ProblemTask& task : problem.tasks) {
    if (task.pin && task.pin->start_seconds && !is_pinned_whole(task)) return std::nullopt;
    const std::vector<Configuration> across = ways_across(problem, task);
    if (across.empty()) {
      ProblemTask same = task;
      if (same.pin) {
        same.pin->after.clear();
        same.pin->further.clear();
      }
      if (same.running && same.running->staying.nodes > 1) same.running.reset();
      parts.tasks.push_back(std::move(same));
      continue;
    }
    const std::vector<int> ways = ways_within_pin(task);
    const Configuration& first = across.front();
    const bool choice = std::any_of(ways.begin(), ways.end(), [&](int c) {
      const Configuration& way = task.configurations[static_cast<size_t>(c)];
      return way.nodes != first.nodes || way.devices != first.devices || way.device_kind != first.device_kind;
    });
    if (choice || task.running) return std::nullopt;
    Configuration part = first;
    part.nodes = 1;
    part.devices = first.devices_per_node();
    for (const Configuration& way : across)
      part.duration_seconds = std::min(part.duration_seconds, way.duration_seconds);
    std::vector<GangPart> places;
    if (task.pin && task.pin->node) {
      places.push_back({*task.pin->node, task.pin->devices});
      places.insert(places.end(), task.pin->further.begin(), task.pin->further.end());
    }
    for (size_t p = 0; p < static_cast<size_t>(first.nodes); ++p) {
      ProblemTask added{task.name, {part}, std::nullopt};
      if (!places.empty()) added.pin = Pin{0, places[p].node, places[p].devices, task.pin->start_seconds};
      parts.tasks.push_back(std::move(added));
    }
  }
  return relaxed(make_instance(parts));
}

}  // namespace saturn
