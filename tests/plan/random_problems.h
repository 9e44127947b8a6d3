// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>

#include "plan/fixtures.h"

namespace saturn::test {

/// Tiny ones, the same for the same seed: one or two nodes of up to three devices, up to five tasks.
class RandomProblems {
 public:
  explicit RandomProblems(std::uint64_t seed) : random_(seed) {}

  Problem next(bool releases) {
    Problem problem;
    for (int n = 0, nodes = up_to(2); n < nodes; ++n) {
      problem.nodes.push_back(node("n" + std::to_string(n), up_to(3)));
      if (releases)
        for (double& free : problem.nodes.back().free_at_seconds) free = (up_to(4) - 1) * 0.5;
    }
    for (int t = 0, tasks = up_to(5); t < tasks; ++t) {
      std::vector<std::pair<int, double>> configurations{{1, up_to(20) * 0.25}};
      if (up_to(3) > 1) configurations.push_back({2, up_to(12) * 0.25});
      if (up_to(3) > 2) configurations.push_back({3, up_to(8) * 0.25});
      problem.tasks.push_back(task("t" + std::to_string(t), configurations));
      if (t > 0 && up_to(3) == 1)  // a twin
        problem.tasks.back().configurations = problem.tasks.front().configurations;
    }
    return problem;
  }

  /// Two or three nodes and up to four tasks, some of which may run across nodes, or can do nothing else.
  Problem next_across(bool releases) {
    Problem problem = next(releases);
    while (problem.nodes.size() < 2 || (problem.nodes.size() < 3 && up_to(4) == 1))
      problem.nodes.push_back(node("n" + std::to_string(problem.nodes.size()), up_to(2)));
    if (problem.tasks.size() > 4) problem.tasks.resize(4);
    for (ProblemTask& task : problem.tasks) {
      if (up_to(2) == 1) continue;
      for (int ways = up_to(2); ways > 0; --ways) {
        const int nodes = problem.nodes.size() > 2 ? 1 + up_to(2) : 2;
        const int each = ways == 2 ? 2 : 1;
        if (fitting(problem, each) < nodes) continue;
        task.configurations.push_back({"ddp", {}, "cpu", nodes * each, up_to(10) * 0.25, nodes});
      }
      if (up_to(3) == 1 && task.configurations.back().nodes > 1)
        std::erase_if(task.configurations, [](const Configuration& it) { return it.nodes == 1; });
    }
    return problem;
  }

  /// Pins of all sorts to one of the task's configurations, a gang across nodes among them; at most one task
  /// has a start.
  void pin_some_across(Problem& problem) {
    bool started = false;
    for (ProblemTask& pinned : problem.tasks) {
      if (up_to(3) > 1) continue;
      const int chosen = up_to(static_cast<int>(pinned.configurations.size())) - 1;
      const Configuration& it = pinned.configurations[static_cast<size_t>(chosen)];
      Pin pin;
      std::vector<GangPart> parts;
      for (int n = static_cast<int>(problem.nodes.size());
           n-- > 0 && static_cast<int>(parts.size()) < it.nodes;) {
        if (static_cast<int>(problem.nodes[static_cast<size_t>(n)].free_at_seconds.size()) <
            it.devices_per_node())
          continue;
        parts.push_back({n, {}});
        for (int device = 0; device < it.devices_per_node(); ++device) parts.back().devices.push_back(device);
      }
      if (static_cast<int>(parts.size()) < it.nodes) continue;  // it fits nowhere
      const int how = up_to(4);
      if (how != 2) pin.configuration = chosen;
      if (how > 1) pin.node = parts.front().node;
      if (how > 2) pin.devices = parts.front().devices;
      if (how > 1) pin.further.assign(parts.begin() + 1, parts.end());
      if (how <= 2)
        for (GangPart& part : pin.further) part.devices.clear();
      if (how == 4 && !std::exchange(started, true)) pin.start_seconds = 1.5 + (up_to(8) - 1) * 0.5;
      pinned.pin = pin;
    }
  }

  /// Some tasks run already across the first two nodes, where these are free.
  void run_some_across(Problem& problem) {
    int used = 0;
    for (ProblemTask& task : problem.tasks) {
      if (up_to(3) > 1 || task.pin) continue;
      const auto free = [&](size_t n) {
        const std::vector<double>& times = problem.nodes[n].free_at_seconds;
        return static_cast<int>(times.size()) > used && times[static_cast<size_t>(used)] == 0;
      };
      if (!free(0) || !free(1)) return;
      task.running = Running{0, {used}, {"ddp", {}, "cpu", 2, up_to(12) * 0.25, 2}, {{1, {used}}}};
      for (Configuration& it : task.configurations) it.duration_seconds += (up_to(3) - 1) * 0.25;
      if (up_to(6) == 1) task.configurations.clear();
      ++used;
    }
  }

  /// Pins that no other pin contradicts: at most one task has a start.
  void pin_some(Problem& problem) {
    for (ProblemTask& pinned : problem.tasks) {
      if (up_to(3) > 1) continue;
      Pin pin;
      if (up_to(2) == 1) pin.configuration = 0;
      if (up_to(2) == 1) pin.node = up_to(static_cast<int>(problem.nodes.size())) - 1;
      if (pin.configuration && pin.node && up_to(2) == 1)
        pin.devices = {
            up_to(static_cast<int>(problem.nodes[static_cast<size_t>(*pin.node)].free_at_seconds.size())) -
            1};
      pinned.pin = pin;
    }
    if (ProblemTask& first = problem.tasks.front(); first.pin && up_to(2) == 1)
      first.pin->start_seconds = 1.5 + (up_to(8) - 1) * 0.5;
  }

  /// Some tasks run already, on devices that are free at 0, as one of their configurations or otherwise; they
  /// have less to do where they are, mostly, and whatever else they do costs a switch.
  void run_some(Problem& problem) {
    std::vector<std::vector<int>> unused;
    for (const ProblemNode& node : problem.nodes) {
      unused.emplace_back();
      for (size_t device = 0; device < node.free_at_seconds.size(); ++device)
        if (node.free_at_seconds[device] == 0) unused.back().push_back(static_cast<int>(device));
    }
    for (ProblemTask& task : problem.tasks) {
      const auto n = static_cast<size_t>(up_to(static_cast<int>(problem.nodes.size())) - 1);
      if (up_to(5) > 3 || unused[n].empty()) continue;
      const int count = up_to(static_cast<int>(unused[n].size()));
      std::shuffle(unused[n].begin(), unused[n].end(), random_);
      Running running{static_cast<int>(n), {}, {"ddp", {}, problem.nodes[n].kind, count, up_to(16) * 0.25}};
      for (int device = 0; device < count; ++device) {
        running.devices.push_back(unused[n].back());
        unused[n].pop_back();
      }
      std::sort(running.devices.begin(), running.devices.end());
      const double switching = (up_to(6) - 1) * 0.25;
      for (Configuration& it : task.configurations) {
        const bool same = it.devices == count && it.device_kind == problem.nodes[n].kind;
        if (same && up_to(3) > 1) running.staying.duration_seconds = it.duration_seconds;
        it.duration_seconds += switching;
      }
      if (up_to(8) == 1) task.configurations.clear();
      task.running = running;
    }
  }

 private:
  static int fitting(const Problem& problem, int devices) {
    return static_cast<int>(std::count_if(
        problem.nodes.begin(), problem.nodes.end(),
        [&](const ProblemNode& it) { return static_cast<int>(it.free_at_seconds.size()) >= devices; }));
  }

  int up_to(int most) { return 1 + static_cast<int>(random_() % static_cast<std::uint64_t>(most)); }
  std::mt19937_64 random_;
};

/// Larger ones of mixed clusters, the same for the same seed.
class RandomInstances {
 public:
  explicit RandomInstances(std::uint64_t seed) : random_(seed) {}

  /// Nodes of several sizes and kinds, devices busy until later, gangs that need a least number of devices.
  Problem next(int most_nodes, int most_devices, int most_tasks) {
    Problem problem;
    for (int n = 0, nodes = up_to(most_nodes); n < nodes; ++n) {
      problem.nodes.push_back(node("n" + std::to_string(n), up_to(most_devices)));
      if (up_to(4) == 1) problem.nodes.back().kind = "gpu";
      if (up_to(3) == 1)
        for (double& free : problem.nodes.back().free_at_seconds) free = (up_to(4) - 1) * 0.5;
    }
    for (int t = 0, tasks = up_to(most_tasks); t < tasks; ++t) add_task(problem);
    return problem;
  }

  /// Pins that no other pin contradicts: at most one task has a start, later than all releases.
  void pin_some(Problem& problem) {
    for (ProblemTask& pinned : problem.tasks)
      if (up_to(3) == 1) pinned.pin = some_pin(problem, pinned);
    if (ProblemTask& first = problem.tasks.front(); first.pin && up_to(2) == 1)
      first.pin->start_seconds = 1.5 + (up_to(8) - 1) * 0.5;
  }

 private:
  /// To one configuration, to a node that it fits on, to devices of that, or to several of these.
  Pin some_pin(const Problem& problem, const ProblemTask& task) {
    Pin pin;
    const int chosen = up_to(static_cast<int>(task.configurations.size())) - 1;
    const Configuration& configuration = task.configurations[static_cast<size_t>(chosen)];
    if (up_to(2) == 1) pin.configuration = chosen;
    for (size_t n = 0; n < problem.nodes.size(); ++n) {
      const ProblemNode& it = problem.nodes[n];
      const bool fits = it.kind == configuration.device_kind &&
                        it.free_at_seconds.size() >= static_cast<size_t>(configuration.devices);
      if (fits && (!pin.node || up_to(2) == 1)) pin.node = static_cast<int>(n);
    }
    if (up_to(3) == 1)
      for (int device = 0; device < configuration.devices; ++device) pin.devices.push_back(device);
    else if (up_to(2) == 1)
      pin.node.reset();
    return pin;
  }

  int up_to(int most) { return 1 + static_cast<int>(random_() % static_cast<std::uint64_t>(most)); }

  void add_task(Problem& problem) {
    const std::string name = "t" + std::to_string(problem.tasks.size());
    if (!problem.tasks.empty() && up_to(3) == 1) {  // a twin
      problem.tasks.push_back(problem.tasks.back());
      problem.tasks.back().name = name;
      return;
    }
    ProblemTask task{name, {}, std::nullopt};
    const int alone = up_to(40);
    std::map<std::string, int> widest;  // by kind
    for (const ProblemNode& node : problem.nodes)
      widest[node.kind] = std::max(widest[node.kind], static_cast<int>(node.free_at_seconds.size()));
    for (const auto& [kind, most] : widest)
      for (int devices = up_to(most); devices <= most; ++devices)
        task.configurations.push_back({"ddp", {}, kind, devices, 0.25 * (alone / devices + up_to(3))});
    problem.tasks.push_back(std::move(task));
  }

  std::mt19937_64 random_;
};

}  // namespace saturn::test
