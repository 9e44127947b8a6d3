// SPDX-License-Identifier: Apache-2.0
#include "plan/solve.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <stdexcept>

#include "base/error.h"
#include "plan/baselines/baselines.h"
#include "plan/methods/polish.h"
#include "plan/methods/portfolio.h"
#include "plan/model/pins.h"
#include "plan/model/search.h"

namespace saturn {
namespace {

/// Left over from the search for breaking ties.
constexpr double kTieShare = 0.05;
constexpr Seconds kMostTieTime{0.5};
constexpr int kPolishRounds = 6;
constexpr std::int64_t kMostPolishMoves = 20000;
constexpr std::int64_t kPolishMovesPerTask = 1000;

double seconds(Millis millis) {
  return static_cast<double>(millis) / 1000;
}

/// The known plan as sequences: in order of start on each node. Empty when it is no plan of this problem.
Sequences sequences_of(const Problem& problem, const Instance& instance, const Plan& plan) {
  if (!check_plan(problem, plan).empty()) return {};
  std::map<std::string, int> tasks, nodes;
  for (size_t t = 0; t < instance.tasks.size(); ++t)
    tasks[problem.tasks[static_cast<size_t>(instance.tasks[t].task)].name] = static_cast<int>(t);
  for (size_t n = 0; n < problem.nodes.size(); ++n) nodes[problem.nodes[n].name] = static_cast<int>(n);
  std::vector<const Assignment*> by_start;
  for (const Assignment& assignment : plan.assignments) by_start.push_back(&assignment);
  std::stable_sort(by_start.begin(), by_start.end(), [](const Assignment* a, const Assignment* b) {
    return a->start_seconds < b->start_seconds;
  });
  Sequences sequences(instance.nodes.size());
  for (const Assignment* assignment : by_start) {
    const auto found = tasks.find(assignment->task);
    if (found == tasks.end()) continue;  // its start is pinned
    const int node = nodes.at(assignment->node);
    const std::vector<Option>& options = instance.options(found->second, node);
    const auto same = std::find_if(options.begin(), options.end(), [&](const Option& option) {
      return option.devices == static_cast<int>(assignment->devices.size());
    });
    // A dominated configuration: the best one of that width takes its place.
    if (same == options.end()) return {};
    sequences[static_cast<size_t>(node)].push_back({found->second, *same});
  }
  return sequences;
}

/// Of plans that end as early: less device time, then earlier ends on average.
Sequences break_ties(const Search& search, const Deadline& deadline) {
  const Instance& instance = search.instance();
  const Criterion criterion{Criterion::First::kArea, search.makespan()};
  const auto tasks = static_cast<std::int64_t>(instance.tasks.size());
  Sequences best = descend(instance, search.best(), criterion, deadline);
  for (int round = 0; round < kPolishRounds; ++round)
    best = polish(instance, std::move(best), criterion,
                  {search.seed(), round, std::min(kMostPolishMoves, kPolishMovesPerTask * tasks)}, deadline);
  return best;
}

Plan to_plan(const Problem& problem, const Search& search, const Sequences& sequences) {
  Plan plan;
  const std::vector<Placement> placements = decode(search.instance(), sequences);
  for (const Placement& placement : placements) {
    const ProblemTask& task = problem.tasks[static_cast<size_t>(placement.task)];
    const Configuration& configuration = task.configurations[static_cast<size_t>(placement.configuration)];
    Assignment assignment;
    assignment.task = task.name;
    assignment.parallelism = configuration.parallelism;
    assignment.knobs = configuration.knobs;
    assignment.node = problem.nodes[static_cast<size_t>(placement.node)].name;
    assignment.devices = placement.devices;
    assignment.start_seconds = seconds(placement.start);
    assignment.duration_seconds = seconds(placement.duration);
    assignment.pinned = task.pin.has_value();
    plan.assignments.push_back(std::move(assignment));
  }
  sort_assignments(plan);
  plan.method = search.method();
  plan.bound_method = search.bound_method();
  const Millis makespan = makespan_of(placements);
  const Millis bound = std::min(makespan, search.bound());
  plan.makespan_seconds = seconds(makespan);
  plan.lower_bound_seconds = seconds(bound);
  plan.gap = makespan > 0 ? static_cast<double>(makespan - bound) / static_cast<double>(makespan) : 0;
  return plan;
}

/// No plan leaves the program unchecked.
void insist_on_valid(const Problem& problem, const Plan& plan) {
  const std::vector<Diagnostic> wrong = check_plan(problem, plan);
  if (!wrong.empty())
    throw std::logic_error("the planner made a plan that is none: " + to_text(wrong.front()));
}

}  // namespace

Plan solve(const Problem& problem, const SolveOptions& options) {
  const auto tie_work = static_cast<std::int64_t>(kTieShare * static_cast<double>(options.work));
  Work work{options.work - tie_work, options.work > 0};
  Work work_for_ties{tie_work, options.work > 0};
  const Seconds tie_time = std::min(kTieShare * options.time_limit, kMostTieTime);
  // Several threads would share the work as the machine pleases.
  const int threads = work.limited ? 1 : options.threads;
  const Deadline whole = Deadline::in(options.time_limit, options.cancel, &work_for_ties);
  const Deadline deadline = Deadline::in(options.time_limit - tie_time, options.cancel, &work);
  const Instance instance = make_instance(problem);
  Search search(instance, options.seed, options.gap);
  if (options.incumbent != nullptr) {
    const Sequences known = sequences_of(problem, instance, *options.incumbent);
    if (!known.empty()) search.offer(known, options.incumbent->method);
  }
  if (instance.regular) {
    run_portfolio(search, deadline, threads);
  } else {
    const Instance free_of_pins = relaxed(instance);
    Search bounding(free_of_pins, options.seed, options.gap);
    run_portfolio(bounding, deadline.within(deadline.left() / 3), threads);
    search.raise_bound(bounding.bound(), bounding.bound_method());
    run_portfolio(search, deadline, threads);
  }
  Plan plan = to_plan(problem, search, break_ties(search, whole.within(kMostTieTime)));
  plan.baseline_seconds = whole_node_baseline(problem).makespan_seconds;
  insist_on_valid(problem, plan);
  return plan;
}

}  // namespace saturn
