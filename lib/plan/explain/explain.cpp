// SPDX-License-Identifier: Apache-2.0
#include "plan/explain/explain.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>

#include "base/error.h"
#include "plan/explain/critical_path.h"
#include "plan/model/deadline.h"
#include "plan/model/pins.h"

namespace saturn {
namespace {

using How = Consequence::How;

/// Deals the time that is left out evenly among what is still to be solved.
class TimeShares {
 public:
  TimeShares(const Deadline& deadline, size_t count) : deadline_(deadline), left_(count) {}
  Deadline next() {
    const Seconds share = deadline_.left() / static_cast<double>(std::max<size_t>(1, left_));
    if (left_ > 0) --left_;
    return deadline_.within(share);
  }

 private:
  Deadline deadline_;
  size_t left_;
};

std::string dominating(const std::vector<Configuration>& all, size_t index) {
  const Configuration& it = all[index];
  for (size_t c = 0; c < all.size(); ++c) {
    const Configuration& other = all[c];
    const bool no_worse = other.device_kind == it.device_kind && other.devices <= it.devices &&
                          other.nodes <= it.nodes && other.duration_seconds <= it.duration_seconds;
    const bool better =
        other.devices < it.devices || other.nodes < it.nodes || other.duration_seconds < it.duration_seconds;
    if (c != index && no_worse && (better || c < index))
      return fmt::format("{} on {}{}", other.parallelism, other.devices, across_text(other.nodes));
  }
  return "";
}

class Explainer {
 public:
  Explainer(const Problem& problem, const Plan& plan, const ExplainOptions& options)
      : problem_(problem), plan_(plan), options_(options), path_(critical_path(plan)) {
    for (size_t t = 0; t < problem.tasks.size(); ++t) tasks_[problem.tasks[t].name] = t;
    for (size_t n = 0; n < problem.nodes.size(); ++n) nodes_[problem.nodes[n].name] = n;
  }

  Explanation run() {
    Explanation result;
    result.makespan_seconds = plan_.makespan_seconds;
    result.lower_bound_seconds = plan_.lower_bound_seconds;
    for (const size_t line : path_.chain) result.chain.push_back(plan_.assignments[line].task);
    add_idle(result);
    const Deadline deadline = Deadline::in(options_.time_limit, options_.cancel);
    if (options_.task.empty())
      explain_all(result, deadline);
    else
      result.tasks.push_back(explain_one(line_of(options_.task), deadline));
    return result;
  }

 private:
  size_t line_of(const std::string& task) const {
    std::vector<std::string> names;
    for (size_t i = 0; i < plan_.assignments.size(); ++i) {
      if (plan_.assignments[i].task == task) return i;
      names.push_back(plan_.assignments[i].task);
    }
    throw InputError(fmt::format("there is no task '{}' to explain{}", task, did_you_mean(task, names)));
  }

  void add_idle(Explanation& result) const {
    result.idle = idle_spans(problem_, plan_);
    for (const IdleSpan& span : result.idle) result.idle_device_seconds += span.device_seconds();
    for (const ProblemNode& node : problem_.nodes)
      for (const double free : node.free_at_seconds)
        result.device_seconds += std::max(0.0, plan_.makespan_seconds - free);
  }

  TaskExplanation explain_line(size_t index) const {
    TaskExplanation result;
    result.line = plan_.assignments[index];
    result.critical = path_.critical(index);
    result.slack_seconds = path_.slack_seconds[index];
    for (const size_t other : path_.waits_for[index])
      result.waits_for.push_back(plan_.assignments[other].task);
    const ProblemNode& node = problem_.nodes[nodes_.at(result.line.node)];
    for_each_part(result.line, [&](const std::string& name, const std::vector<int>& devices) {
      for (const int device : devices)
        result.devices_free_seconds =
            std::max(result.devices_free_seconds,
                     problem_.nodes[nodes_.at(name)].free_at_seconds[static_cast<size_t>(device)]);
    });
    const std::vector<Configuration>& all = problem_.tasks[tasks_.at(result.line.task)].configurations;
    const std::optional<int> planned = configuration_of(task(index), result.line, node.kind);
    for (size_t c = 0; c < all.size(); ++c) {
      ConfigurationConsequence added{all[c], planned == static_cast<int>(c), dominating(all, c), {}};
      if (added.planned) added.consequence = as_planned();
      result.configurations.push_back(std::move(added));
    }
    return result;
  }

  const ProblemTask& task(size_t line) const {
    return problem_.tasks[tasks_.at(plan_.assignments[line].task)];
  }

  Consequence as_planned() const {
    return {How::kPlanned, plan_.makespan_seconds, plan_.lower_bound_seconds, ""};
  }

  /// The problem with another pin of one task.
  Problem pinned(const std::string& name, std::optional<Pin> pin) const {
    Problem changed = problem_;
    const size_t index = tasks_.at(name);
    changed.tasks[index].pin = std::move(pin);
    for (ProblemTask& other : changed.tasks)  // it is free of the order, too
      if (other.pin) std::erase(other.pin->after, static_cast<int>(index));
    return changed;
  }

  void explain_all(Explanation& result, const Deadline& deadline) const {
    size_t alternatives = 0;
    for (size_t line = 0; line < plan_.assignments.size(); ++line) {
      result.tasks.push_back(explain_line(line));
      alternatives += result.tasks.back().configurations.size() - 1;
    }
    TimeShares shares(deadline.within(deadline.left() / 2), alternatives);
    if (alternatives <= kMostRetimed)
      for (TaskExplanation& task : result.tasks)
        try_configurations(task, alternatives <= kMostSolved ? &shares : nullptr);
    add_what_ifs(result, deadline);
  }

  /// Without `shares` they are only re-timed.
  void try_configurations(TaskExplanation& it, TimeShares* shares) const {
    const std::string& name = it.line.task;
    for (size_t c = 0; c < it.configurations.size(); ++c) {
      if (it.configurations[c].planned) continue;
      const int configuration = static_cast<int>(c);
      const Problem forced = pinned(name, Pin{configuration, {}, {}, {}});
      const std::optional<Plan> known = with_configuration(forced, plan_, name, configuration);
      Consequence& consequence = it.configurations[c].consequence;
      if (shares != nullptr)
        consequence = solve_changed(forced, known ? &*known : nullptr, shares->next(), options_.seed);
      else if (known)
        consequence = {How::kRetimed, known->makespan_seconds, 0, ""};
      else
        consequence.why_not = "it does not fit in the order that is planned";
    }
  }

  TaskExplanation explain_one(size_t line, const Deadline& deadline) const {
    TaskExplanation result = explain_line(line);
    const std::vector<size_t> nodes = nodes_to_try(line);
    const bool is_pinned = task(line).pin.has_value();
    TimeShares shares(deadline, result.configurations.size() - 1 + nodes.size() + (is_pinned ? 1 : 0));
    const std::string& name = result.line.task;
    try_configurations(result, &shares);
    result.nodes.push_back({result.line.node, true, as_planned()});
    for (const size_t node : nodes) {
      const Problem forced = pinned(name, Pin{{}, static_cast<int>(node), {}, {}});
      result.nodes.push_back(
          {problem_.nodes[node].name, false, solve_changed(forced, nullptr, shares.next(), options_.seed)});
    }
    if (is_pinned)
      result.without_pin = solve_changed(pinned(name, std::nullopt), &plan_, shares.next(), options_.seed);
    return result;
  }

  /// One of each sort of node on which the task could run, but those like the planned one.
  std::vector<size_t> nodes_to_try(size_t line) const {
    const auto sort_of = [](const ProblemNode& node) {
      return std::make_pair(node.kind, node.free_at_seconds);
    };
    const size_t planned = nodes_.at(plan_.assignments[line].node);
    std::set<std::pair<std::string, std::vector<double>>> seen{sort_of(problem_.nodes[planned])};
    std::vector<size_t> result;
    for (size_t n = 0; n < problem_.nodes.size(); ++n) {
      const bool fits = std::any_of(
          task(line).configurations.begin(), task(line).configurations.end(),
          [&](const Configuration& configuration) { return fits_on(configuration, problem_.nodes[n]); });
      if (fits && seen.insert(sort_of(problem_.nodes[n])).second) result.push_back(n);
    }
    return result;
  }

  void add_what_ifs(Explanation& result, const Deadline& deadline) const {
    std::vector<std::pair<std::string, Problem>> changes;
    Problem wider = problem_;
    for (ProblemNode& node : wider.nodes) node.free_at_seconds.push_back(0);
    changes.emplace_back("one more device on every node", std::move(wider));
    std::set<std::pair<std::string, size_t>> seen;
    for (const ProblemNode& node : problem_.nodes) {
      const size_t devices = node.free_at_seconds.size();
      if (!seen.emplace(node.kind, devices).second) continue;
      Problem more = problem_;
      more.nodes.push_back({"one more like " + node.name, node.kind, std::vector<double>(devices, 0.0)});
      changes.emplace_back(fmt::format("one more node like '{}' ({} x {})", node.name, devices, node.kind),
                           std::move(more));
    }
    TimeShares shares(deadline, changes.size());
    for (const auto& [what, problem] : changes)
      result.what_ifs.push_back({what, solve_changed(problem, &plan_, shares.next(), options_.seed)});
  }

  const Problem& problem_;
  const Plan& plan_;
  const ExplainOptions& options_;
  CriticalPath path_;
  std::map<std::string, size_t> tasks_;
  std::map<std::string, size_t> nodes_;
};

}  // namespace

Explanation explain(const Problem& problem, const Plan& plan, const ExplainOptions& options) {
  return Explainer(problem, plan, options).run();
}

}  // namespace saturn
