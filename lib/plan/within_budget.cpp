// SPDX-License-Identifier: Apache-2.0
#include "plan/within_budget.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "plan/model/pins.h"

namespace saturn {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// Plans count in milliseconds, and sums of them may be off by the binary form.
constexpr double kSame = 1e-6;
/// In place of no deadline.
constexpr double kLatestDeadline = 1e8;
/// Of the time that there is, what is planned for where that loses no task: speeds may be lower than planned.
constexpr double kPlannedShare = 0.9;
/// Sets of tasks that are tried for exchanges.
constexpr int kMostExchanges = 40;
/// Shares of the search's time or work.
constexpr double kForAll = 0.3;
constexpr double kForOneSet = 0.02;
constexpr double kForTheSet = 0.2;
constexpr double kForTheRest = 0.1;

/// Indices into Problem::tasks.
using Tasks = std::vector<int>;

SolveOptions share_of(const SolveOptions& options, double share) {
  SolveOptions result = options;
  result.time_limit *= share;
  if (options.work > 0)
    result.work = std::max<std::int64_t>(1, std::llround(static_cast<double>(options.work) * share));
  result.incumbent = nullptr;
  result.on_progress = {};
  return result;
}

double area(const Configuration& configuration) {
  return configuration.devices * configuration.duration_seconds;
}

/// The least device time with which the task can end within the budget, by itself; infinity: it cannot.
double least_area(const Problem& problem, const ProblemTask& task) {
  double least = kInfinity;
  const auto offer = [&](const Configuration& configuration) {
    if (configuration.duration_seconds <= problem.budget.seconds)
      least = std::min(least, area(configuration));
  };
  if (task.running) offer(task.running->staying);
  for (const Configuration& configuration : task.configurations) {
    if (saturn::fits(configuration, problem.nodes)) offer(configuration);
  }
  return least;
}

/// The same problem with those tasks alone, whatever the budget.
Problem with_tasks(const Problem& problem, const Tasks& tasks) {
  Problem part;
  part.nodes = problem.nodes;
  part.objective = problem.objective;
  std::map<int, int> place;
  for (const int task : tasks) {
    place.emplace(task, static_cast<int>(part.tasks.size()));
    part.tasks.push_back(problem.tasks[static_cast<size_t>(task)]);
  }
  for (ProblemTask& task : part.tasks) {
    if (!task.pin) continue;
    std::vector<int> after;
    for (const int other : task.pin->after)
      if (place.contains(other)) after.push_back(place.at(other));
    task.pin->after = std::move(after);
  }
  return part;
}

class WithinBudget {
 public:
  WithinBudget(const Problem& problem, const SolveOptions& options)
      : problem_(problem), budget_(problem.budget), options_(options) {
    for (const ProblemNode& node : problem.nodes)
      devices_ += static_cast<double>(node.free_at_seconds.size());
    for (size_t t = 0; t < problem.tasks.size(); ++t) {
      const ProblemTask& task = problem.tasks[t];
      least_area_.push_back(least_area(problem, task));
      all_.push_back(static_cast<int>(t));
      if (task.pin || task.configurations.empty())
        fixed_.push_back(static_cast<int>(t));
      else if (least_area_.back() < kInfinity)
        candidates_.push_back(static_cast<int>(t));
    }
    std::stable_sort(candidates_.begin(), candidates_.end(), [&](int a, int b) {
      return least_area_[static_cast<size_t>(a)] < least_area_[static_cast<size_t>(b)];
    });
  }

  Plan run() {
    if (auto plan = plan_of_all()) return std::move(*plan);
    if (!ends(fixed_)) return without_budget(options_);
    exchange(most_of_the_shortest());
    return whole_plan();
  }

 private:
  /// Not ruled out by device time alone.
  bool may_end(const Tasks& tasks) const {
    double sum = 0;
    for (const int task : tasks) sum += least_area_[static_cast<size_t>(task)];
    return sum <= budget_.device_seconds + kSame && sum <= devices_ * std::max(0.0, budget_.seconds) + kSame;
  }

  Plan without_budget(const SolveOptions& options) const {
    Problem problem = problem_;
    problem.budget = {};
    return solve(problem, options);
  }

  /// A plan of them for little device time that ends by then, if there is one.
  std::optional<Plan> plan_of(const Tasks& tasks, double seconds, const SolveOptions& options) const {
    if (tasks.empty()) return Plan{};
    if (!may_end(tasks) || seconds <= 0) return {};
    Problem part = with_tasks(problem_, tasks);
    part.objective = {Objective::Kind::kDeadline, std::min(seconds, kLatestDeadline)};
    Plan plan = solve(part, options);
    if (!fits(plan, {seconds, budget_.device_seconds})) return {};
    return plan;
  }

  bool ends(const Tasks& tasks) const {
    return plan_of(tasks, budget_.seconds, share_of(options_, kForOneSet)).has_value();
  }

  std::optional<Plan> plan_of_all() const {
    if (!may_end(all_)) return {};
    SolveOptions first = share_of(options_, kForAll);
    first.incumbent = options_.incumbent;
    first.on_progress = options_.on_progress;
    Plan plan = without_budget(first);
    if (fits(plan, budget_)) {
      // The rest of the time may make it better.
      SolveOptions rest = share_of(options_, 1 - kForAll);
      rest.incumbent = &plan;
      rest.on_progress = options_.on_progress;
      Plan better = without_budget(rest);
      return fits(better, budget_) ? std::move(better) : std::move(plan);
    }
    std::optional<Plan> narrow = plan_of(all_, budget_.seconds, share_of(options_, kForAll));
    if (narrow) finish(*narrow);
    return narrow;
  }

  Tasks with_first(size_t count) const {
    Tasks tasks = fixed_;
    tasks.insert(tasks.end(), candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(count));
    return tasks;
  }

  /// As many of the shortest as can end; then each other one that can as well.
  Tasks most_of_the_shortest() const {
    size_t can = 0;
    size_t cannot = candidates_.size() + 1;
    while (can + 1 < cannot) {
      const size_t middle = can + (cannot - can) / 2;
      (ends(with_first(middle)) ? can : cannot) = middle;
    }
    return with_more(with_first(can), {});
  }

  /// With all others that can end beside them, but for one; the shortest are asked first.
  Tasks with_more(Tasks tasks, std::optional<int> but_for) const {
    for (const int candidate : candidates_) {
      if (candidate == but_for || std::find(tasks.begin(), tasks.end(), candidate) != tasks.end()) continue;
      tasks.push_back(candidate);
      if (!may_end(tasks)) {
        tasks.pop_back();
        break;  // all that follow take more device time
      }
      if (!ends(tasks)) tasks.pop_back();
    }
    return tasks;
  }

  /// One is left out where that lets two others end.
  void exchange(Tasks tasks) {
    chosen_ = std::move(tasks);
    int tried = 0;
    bool better = true;
    while (better) {
      better = false;
      for (const int out : Tasks(chosen_.rbegin(), chosen_.rend())) {
        if (std::find(fixed_.begin(), fixed_.end(), out) != fixed_.end() || tried++ >= kMostExchanges)
          continue;
        Tasks others = chosen_;
        std::erase(others, out);
        others = with_more(std::move(others), out);
        if (others.size() <= chosen_.size()) continue;
        chosen_ = std::move(others);
        better = true;
        break;
      }
    }
  }

  /// The chosen ones, early where that loses none of them.
  Plan plan_of_chosen() const {
    for (const double share : {kPlannedShare, 1.0})
      if (auto plan = plan_of(chosen_, share * budget_.seconds, share_of(options_, kForTheSet)))
        return std::move(*plan);
    // With less of the search it was found; then that is what there is.
    if (auto plan = plan_of(chosen_, budget_.seconds, share_of(options_, kForOneSet)))
      return std::move(*plan);
    return {};
  }

  Plan whole_plan() const {
    Plan plan = plan_of_chosen();
    Tasks others;
    for (const int task : all_)
      if (plan.assignments.empty() || std::find(chosen_.begin(), chosen_.end(), task) == chosen_.end())
        others.push_back(task);
    if (!others.empty()) {
      Problem rest = with_tasks(problem_, others);
      put_behind(plan, rest);
      rest.objective = {Objective::Kind::kMeanCompletion, 0};
      Plan behind = solve(rest, share_of(options_, kForTheRest));
      if (plan.method.empty()) plan.method = behind.method;
      for (Assignment& line : behind.assignments) {
        line.beyond_budget = true;
        plan.makespan_seconds = std::max(plan.makespan_seconds, line.end_seconds());
        plan.assignments.push_back(std::move(line));
      }
    }
    sort_assignments(plan);
    finish(plan);
    return plan;
  }

  /// Devices are free when the plan has left them; who runs on them would be in the way.
  static void put_behind(const Plan& plan, Problem& rest) {
    std::map<std::string, ProblemNode*> nodes;
    for (ProblemNode& node : rest.nodes) nodes[node.name] = &node;
    for (const Assignment& line : plan.assignments) {
      for_each_part(line, [&](const std::string& node, const std::vector<int>& devices) {
        for (const int device : devices) {
          double& free = nodes.at(node)->free_at_seconds.at(static_cast<size_t>(device));
          free = std::max(free, line.end_seconds());
        }
      });
    }
    for (ProblemTask& task : rest.tasks) {
      if (!task.running) continue;
      const bool in_the_way = any_device(*task.running, [&](int node, int device) {
        return rest.nodes[static_cast<size_t>(node)].free_at_seconds.at(static_cast<size_t>(device)) > 0;
      });
      if (in_the_way) task.running.reset();
    }
  }

  /// It was made for another objective; what holds for some of the tasks holds for all of them.
  void finish(Plan& plan) const {
    plan.objective = problem_.objective;
    plan.objective_bound = 0;
    plan.lower_bound_seconds = std::min(plan.lower_bound_seconds, plan.makespan_seconds);
    plan.gap = gap_of(plan);
  }

  const Problem& problem_;
  const Budget& budget_;
  const SolveOptions& options_;
  double devices_ = 0;
  std::vector<double> least_area_;
  Tasks all_, fixed_;
  Tasks candidates_;  ///< by device time
  Tasks chosen_;
};

}  // namespace

bool fits(const Plan& plan, const Budget& budget) {
  return plan.makespan_seconds <= budget.seconds + kSame &&
         device_seconds(plan) <= budget.device_seconds + kSame;
}

std::set<std::string> ending_within(const Plan& plan, const Budget& budget) {
  std::vector<std::pair<double, double>> changes;  // when, and by how many devices
  for (const Assignment& line : plan.assignments) {
    if (line.beyond_budget) continue;
    const auto devices = static_cast<double>(device_count(line));
    changes.emplace_back(line.start_seconds, devices);
    changes.emplace_back(line.end_seconds(), -devices);
  }
  std::sort(changes.begin(), changes.end());
  double until = budget.seconds;
  double now = 0, devices = 0, left = budget.device_seconds;
  for (const auto& [at, change] : changes) {
    const double use = devices * (at - now);
    if (use > left + kSame) {
      until = std::min(until, now + left / devices);
      break;
    }
    left -= use;
    now = at;
    devices += change;
  }
  std::set<std::string> tasks;
  for (const Assignment& line : plan.assignments)
    if (!line.beyond_budget && line.end_seconds() <= until + kSame) tasks.insert(line.task);
  return tasks;
}

Plan solve_within(const Problem& problem, const SolveOptions& options) {
  return WithinBudget(problem, options).run();
}

}  // namespace saturn
