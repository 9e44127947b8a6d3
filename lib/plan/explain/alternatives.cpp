// SPDX-License-Identifier: Apache-2.0
#include "plan/explain/alternatives.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/error.h"
#include "plan/model/free_devices.h"
#include "plan/model/pins.h"
#include "plan/solve.h"

namespace saturn {
namespace {

/// Puts lines one after another on their nodes, as early as they fit.
class Replacer {
 public:
  explicit Replacer(const Problem& problem) : problem_(problem) {
    for (const ProblemNode& node : problem.nodes) {
      index_[node.name] = nodes_.size();
      nodes_.emplace_back(node);
    }
    for (const ProblemTask& task : problem.tasks)
      if (task.pin) pins_[task.name] = &*task.pin;
  }

  void place(Assignment& line) {
    if (line.further.empty())
      place_on(index_.at(line.node), line, line.devices.size());
    else
      place_again(line);
  }

  /// False: the configuration fits on no node.
  bool place_as(Assignment& line, const Configuration& configuration) {
    if (configuration.nodes > 1) return place_across(line, configuration);
    line.further.clear();
    const auto count = static_cast<size_t>(configuration.devices);
    size_t best = index_.at(line.node);
    if (!fits_on(configuration, problem_.nodes[best])) {
      best = nodes_.size();
      for (size_t n = 0; n < nodes_.size(); ++n)
        if (fits_on(configuration, problem_.nodes[n]) &&
            (best == nodes_.size() || nodes_[n].start(count) < nodes_[best].start(count)))
          best = n;
    }
    if (best == nodes_.size()) return false;
    line.parallelism = configuration.parallelism;
    line.knobs = configuration.knobs;
    line.duration_seconds = in_seconds(duration_millis(configuration.duration_seconds));
    line.node = problem_.nodes[best].name;
    place_on(best, line, count);
    return true;
  }

 private:
  /// A gang across nodes, on the devices that it has.
  void place_again(Assignment& line) {
    const auto pin = pins_.find(line.task);
    Millis start = 0;
    for_each_part(line, [&](const std::string& node, const std::vector<int>& devices) {
      start = std::max(start, nodes_[index_.at(node)].start_on(devices));
    });
    if (pin != pins_.end() && pin->second->start_seconds) start = release_millis(*pin->second->start_seconds);
    line.start_seconds = in_seconds(start);
    const Millis end = start + duration_millis(line.duration_seconds);
    for_each_part(line, [&](const std::string& node, const std::vector<int>& devices) {
      nodes_[index_.at(node)].take_these(devices, end);
    });
  }

  /// On the nodes of its kind that have room for its parts first.
  bool place_across(Assignment& line, const Configuration& configuration) {
    const auto count = static_cast<size_t>(configuration.devices_per_node());
    std::vector<std::pair<Millis, size_t>> by_start;
    for (size_t n = 0; n < nodes_.size(); ++n)
      if (may_be_on(configuration, problem_.nodes[n])) by_start.emplace_back(nodes_[n].start(count), n);
    if (by_start.size() < static_cast<size_t>(configuration.nodes)) return false;
    std::sort(by_start.begin(), by_start.end());
    by_start.resize(static_cast<size_t>(configuration.nodes));
    const Millis start = by_start.back().first, duration = duration_millis(configuration.duration_seconds);
    line.parallelism = configuration.parallelism;
    line.knobs = configuration.knobs;
    line.start_seconds = in_seconds(start);
    line.duration_seconds = in_seconds(duration);
    line.further.clear();
    for (size_t p = 0; p < by_start.size(); ++p) {
      const size_t n = by_start[p].second;
      NodeDevices part{problem_.nodes[n].name, nodes_[n].take_at(count, start, start + duration)};
      if (p > 0) {
        line.further.push_back(std::move(part));
      } else {
        line.node = std::move(part.node);
        line.devices = std::move(part.devices);
      }
    }
    return true;
  }

  void place_on(size_t node, Assignment& line, size_t count) {
    const auto pin = pins_.find(line.task);
    const Millis duration = duration_millis(line.duration_seconds);
    if (pin == pins_.end() || (pin->second->devices.empty() && !pin->second->start_seconds)) {
      line.start_seconds = in_seconds(nodes_[node].start(count));
      line.devices = nodes_[node].take(count, count, duration);
      return;
    }
    Millis start = nodes_[node].start_on(line.devices);
    if (pin->second->start_seconds) start = release_millis(*pin->second->start_seconds);
    line.start_seconds = in_seconds(start);
    nodes_[node].take_these(line.devices, start + duration);
  }

  const Problem& problem_;
  std::map<std::string, size_t> index_;
  std::map<std::string, const Pin*> pins_;
  std::vector<FreeDevices> nodes_;
};

}  // namespace

std::optional<Plan> with_configuration(const Problem& problem, const Plan& plan, const std::string& task,
                                       int configuration) {
  const auto found = std::find_if(problem.tasks.begin(), problem.tasks.end(),
                                  [&](const ProblemTask& candidate) { return candidate.name == task; });
  if (found == problem.tasks.end()) return std::nullopt;
  const Configuration& wanted = found->configurations.at(static_cast<size_t>(configuration));
  Plan result = plan;
  std::stable_sort(
      result.assignments.begin(), result.assignments.end(),
      [](const Assignment& a, const Assignment& b) { return a.start_seconds < b.start_seconds; });
  Replacer replacer(problem);
  result.makespan_seconds = result.lower_bound_seconds = 0;
  for (Assignment& line : result.assignments) {
    if (line.task != task)
      replacer.place(line);
    else if (!replacer.place_as(line, wanted))
      return std::nullopt;
    result.makespan_seconds = std::max(result.makespan_seconds, line.end_seconds());
  }
  if (!check_plan(problem, result).empty()) return std::nullopt;
  return result;
}

Consequence solve_changed(const Problem& problem, const Plan* known, const Deadline& deadline,
                          std::uint64_t seed) {
  Consequence consequence;
  try {
    const Plan plan =
        solve(problem,
              {.time_limit = deadline.left(), .seed = seed, .cancel = deadline.cancel(), .incumbent = known});
    consequence = {Consequence::How::kSolved, plan.makespan_seconds, plan.lower_bound_seconds, ""};
  } catch (const InputError& error) {
    consequence.why_not = error.what();
  }
  // A known plan may have configurations that the search has no use for, and be dropped by it.
  if (known != nullptr && known->makespan_seconds < consequence.makespan_seconds)
    consequence.makespan_seconds = known->makespan_seconds;
  return consequence;
}

}  // namespace saturn
