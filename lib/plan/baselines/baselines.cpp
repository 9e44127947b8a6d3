// SPDX-License-Identifier: Apache-2.0
#include "plan/baselines/baselines.h"

#include <algorithm>
#include <functional>
#include <map>
#include <queue>
#include <random>

#include "plan/model/free_devices.h"
#include "plan/model/pins.h"

namespace saturn {
namespace {

/// How the task would run on the node; null: not at all.
using Choice = std::function<const Configuration*(size_t task, const ProblemNode& node)>;

/// Places task after task, each on the node where it ends earliest.
class ListScheduler {
 public:
  ListScheduler(const Problem& problem, bool whole_nodes) : problem_(problem), whole_nodes_(whole_nodes) {
    for (const ProblemNode& node : problem.nodes) nodes_.emplace_back(node);
  }

  void place(size_t task, const Choice& choice) {
    size_t best = problem_.nodes.size();
    Millis best_end = 0;
    for (size_t n = 0; n < problem_.nodes.size(); ++n) {
      const Configuration* configuration = choice(task, problem_.nodes[n]);
      if (configuration == nullptr) continue;
      const Millis end =
          nodes_[n].start(reserved(n, *configuration)) + duration_millis(configuration->duration_seconds);
      if (best == problem_.nodes.size() || end < best_end) best = n, best_end = end;
    }
    if (best == problem_.nodes.size()) return place_across(task);
    place_on(best, task, *choice(task, problem_.nodes[best]));
  }

  Plan plan(std::string method) && {
    plan_.method = std::move(method);
    sort_assignments(plan_);
    for (const Assignment& line : plan_.assignments)
      plan_.makespan_seconds = std::max(plan_.makespan_seconds, line.end_seconds());
    return std::move(plan_);
  }

 private:
  size_t reserved(size_t node, const Configuration& configuration) const {
    return whole_nodes_ ? problem_.nodes[node].free_at_seconds.size()
                        : static_cast<size_t>(configuration.devices);
  }

  void place_on(size_t node, size_t task, const Configuration& configuration) {
    const size_t taken = reserved(node, configuration);
    const Millis duration = duration_millis(configuration.duration_seconds);
    Assignment line = line_of(task, configuration, nodes_[node].start(taken));
    line.node = problem_.nodes[node].name;
    line.devices = nodes_[node].take(static_cast<size_t>(configuration.devices), taken, duration);
    plan_.assignments.push_back(std::move(line));
  }

  Assignment line_of(size_t task, const Configuration& configuration, Millis start) const {
    Assignment line;
    line.task = problem_.tasks[task].name;
    line.parallelism = configuration.parallelism;
    line.knobs = configuration.knobs;
    line.start_seconds = in_seconds(start);
    line.duration_seconds = in_seconds(duration_millis(configuration.duration_seconds));
    return line;
  }

  /// A task that fits on no node goes across nodes, where it ends first. If that is nowhere, `solve` says so.
  void place_across(size_t task) {
    const Configuration* best = nullptr;
    std::vector<std::pair<Millis, size_t>> best_nodes;
    for (const Configuration& it : problem_.tasks[task].configurations) {
      if (it.nodes == 1 || !fits(it, problem_.nodes)) continue;
      std::vector<std::pair<Millis, size_t>> nodes = first_nodes(it);
      const auto end = [](const Configuration& way, const auto& where) {
        return where.back().first + duration_millis(way.duration_seconds);
      };
      if (best != nullptr && end(it, nodes) >= end(*best, best_nodes)) continue;
      best = &it;
      best_nodes = std::move(nodes);
    }
    if (best == nullptr) return;
    const Millis start = best_nodes.back().first, duration = duration_millis(best->duration_seconds);
    Assignment line = line_of(task, *best, start);
    const auto count = static_cast<size_t>(best->devices_per_node());
    for (size_t p = 0; p < best_nodes.size(); ++p) {
      const size_t node = best_nodes[p].second;
      const size_t taken = whole_nodes_ ? nodes_[node].size() : count;
      std::vector<int> devices = nodes_[node].take_at(taken, start, start + duration);
      devices.resize(count);
      const std::string& name = problem_.nodes[node].name;
      if (p > 0)
        line.further.push_back({name, std::move(devices)});
      else
        line.node = name, line.devices = std::move(devices);
    }
    plan_.assignments.push_back(std::move(line));
  }

  /// The nodes that have room for its parts first, and since when; ascending.
  std::vector<std::pair<Millis, size_t>> first_nodes(const Configuration& configuration) const {
    std::vector<std::pair<Millis, size_t>> result;
    for (size_t n = 0; n < nodes_.size(); ++n) {
      if (!may_be_on(configuration, problem_.nodes[n])) continue;
      const size_t count =
          whole_nodes_ ? nodes_[n].size() : static_cast<size_t>(configuration.devices_per_node());
      result.emplace_back(nodes_[n].start(count), n);
    }
    std::sort(result.begin(), result.end());
    result.resize(static_cast<size_t>(configuration.nodes));
    return result;
  }

  const Problem& problem_;
  bool whole_nodes_;
  std::vector<FreeDevices> nodes_;
  Plan plan_;
};

/// The best of the task's configurations that fit the node, by an order of any kind.
template <class Better>
const Configuration* best_on(const ProblemTask& task, const ProblemNode& node, Better better) {
  const Configuration* best = nullptr;
  for (const Configuration& configuration : task.configurations)
    if (fits_on(configuration, node) && (best == nullptr || better(configuration, *best)))
      best = &configuration;
  return best;
}

bool faster(const Configuration& a, const Configuration& b) {
  return a.duration_seconds < b.duration_seconds;
}
bool wider(const Configuration& a, const Configuration& b) {
  return a.devices != b.devices ? a.devices > b.devices : faster(a, b);
}
bool narrower(const Configuration& a, const Configuration& b) {
  return a.devices != b.devices ? a.devices < b.devices : faster(a, b);
}

std::vector<size_t> in_workload_order(const Problem& problem) {
  std::vector<size_t> order(problem.tasks.size());
  for (size_t t = 0; t < order.size(); ++t) order[t] = t;
  return order;
}

/// By the shortest duration that the choice leaves a task on any node.
std::vector<size_t> longest_first(const Problem& problem, const Choice& choice) {
  std::vector<double> duration(problem.tasks.size(), 0);
  for (size_t t = 0; t < duration.size(); ++t) {
    const Configuration* best = nullptr;
    for (const ProblemNode& node : problem.nodes)
      if (const Configuration* here = choice(t, node);
          here != nullptr && (best == nullptr || faster(*here, *best)))
        best = here;
    if (best != nullptr) duration[t] = best->duration_seconds;
  }
  std::vector<size_t> order = in_workload_order(problem);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return duration[a] > duration[b]; });
  return order;
}

Plan longest_first_plan(const Problem& problem, const Choice& choice, std::string method) {
  ListScheduler scheduler(problem, false);
  for (const size_t task : longest_first(problem, choice)) scheduler.place(task, choice);
  return std::move(scheduler).plan(std::move(method));
}

Plan random_plan(const Problem& problem, std::uint64_t seed, std::string method) {
  std::mt19937_64 random(seed);
  const auto below = [&](size_t count) { return static_cast<size_t>(random() % count); };
  std::vector<size_t> order = in_workload_order(problem);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[below(i)]);
  ListScheduler scheduler(problem, false);
  for (const size_t task : order) {
    std::vector<std::pair<const Configuration*, const ProblemNode*>> ways;
    for (const Configuration& configuration : problem.tasks[task].configurations)
      for (const ProblemNode& node : problem.nodes)
        if (fits_on(configuration, node)) ways.emplace_back(&configuration, &node);
    if (ways.empty()) {
      scheduler.place(task, [](size_t, const ProblemNode&) { return nullptr; });
      continue;
    }
    const auto [configuration, on] = ways[below(ways.size())];
    scheduler.place(task, [&, configuration = configuration, on = on](size_t, const ProblemNode& node) {
      return &node == on ? configuration : nullptr;
    });
  }
  return std::move(scheduler).plan(std::move(method));
}

/// What more devices bring one task: (count, least duration on any node), each faster than all before it.
std::vector<std::pair<int, double>> ladder(const ProblemTask& task, const Problem& problem) {
  std::map<int, double> durations;
  for (const Configuration& configuration : task.configurations) {
    const bool fits = std::any_of(problem.nodes.begin(), problem.nodes.end(),
                                  [&](const ProblemNode& node) { return fits_on(configuration, node); });
    if (!fits) continue;
    const auto [found, added] = durations.emplace(configuration.devices, configuration.duration_seconds);
    if (!added) found->second = std::min(found->second, configuration.duration_seconds);
  }
  std::vector<std::pair<int, double>> steps;
  for (const auto& step : durations)
    if (steps.empty() || step.second < steps.back().second) steps.push_back(step);
  return steps;
}

/// Devices per task. The gain of a step is the time it saves per device that it takes.
std::vector<int> optimus_allotment(const Problem& problem) {
  std::vector<std::vector<std::pair<int, double>>> ladders;
  std::vector<size_t> rung(problem.tasks.size(), 0);
  int left = 0;
  for (const ProblemNode& node : problem.nodes) left += static_cast<int>(node.free_at_seconds.size());
  for (const ProblemTask& task : problem.tasks) {
    ladders.push_back(ladder(task, problem));
    if (!ladders.back().empty()) left -= ladders.back().front().first;
  }
  std::priority_queue<std::pair<double, size_t>> gains;
  const auto offer = [&](size_t task) {
    const auto& steps = ladders[task];
    if (rung[task] + 1 >= steps.size()) return;
    const auto& [devices, duration] = steps[rung[task]];
    const auto& [more, shorter] = steps[rung[task] + 1];
    gains.emplace((duration - shorter) / (more - devices), task);
  };
  for (size_t t = 0; t < ladders.size(); ++t) offer(t);
  while (!gains.empty()) {
    const size_t task = gains.top().second;
    gains.pop();
    const int extra = ladders[task][rung[task] + 1].first - ladders[task][rung[task]].first;
    if (extra > left) continue;  // a smaller step of another task may still fit
    left -= extra;
    ++rung[task];
    offer(task);
  }
  std::vector<int> devices;
  for (size_t t = 0; t < ladders.size(); ++t)
    devices.push_back(ladders[t].empty() ? 0 : ladders[t][rung[t]].first);
  return devices;
}

Plan optimus_plan(const Problem& problem, std::string method) {
  const std::vector<int> allotted = optimus_allotment(problem);
  const Choice within_allotment = [&](size_t task, const ProblemNode& node) -> const Configuration* {
    const Configuration* best = nullptr;
    for (const Configuration& configuration : problem.tasks[task].configurations)
      if (configuration.devices <= allotted[task] && fits_on(configuration, node) &&
          (best == nullptr || faster(configuration, *best)))
        best = &configuration;
    return best;
  };
  return longest_first_plan(problem, within_allotment, std::move(method));
}

}  // namespace

Plan whole_node_baseline(const Problem& problem) {
  const Choice fastest = [&](size_t task, const ProblemNode& node) {
    return best_on(problem.tasks[task], node, faster);
  };
  ListScheduler scheduler(problem, true);
  for (const size_t task : in_workload_order(problem)) scheduler.place(task, fastest);
  Plan plan = std::move(scheduler).plan("a whole node each, one after another");
  plan.baseline_seconds = plan.makespan_seconds;
  return plan;
}

std::vector<Baseline> baselines(const Problem& problem, std::uint64_t seed) {
  const Choice widest = [&](size_t task, const ProblemNode& node) {
    return best_on(problem.tasks[task], node, wider);
  };
  const Choice narrowest = [&](size_t task, const ProblemNode& node) {
    return best_on(problem.tasks[task], node, narrower);
  };
  std::vector<Baseline> result;
  result.push_back(
      {"current practice", "a whole node each, one after another", whole_node_baseline(problem)});
  result.push_back({"max", "as many devices as each can use", longest_first_plan(problem, widest, "max")});
  result.push_back({"min", "as few devices as each needs", longest_first_plan(problem, narrowest, "min")});
  result.push_back({"random", "drawn by lot", random_plan(problem, seed, "random")});
  result.push_back({"Optimus-greedy", "each next device to the task that gains most by it",
                    optimus_plan(problem, "Optimus-greedy")});
  for (Baseline& baseline : result) baseline.plan.baseline_seconds = result.front().plan.makespan_seconds;
  return result;
}

}  // namespace saturn
