// SPDX-License-Identifier: Apache-2.0
#include "plan/solve.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <map>
#include <stdexcept>

#include "base/error.h"
#include "plan/across/solve_across.h"
#include "plan/baselines/baselines.h"
#include "plan/methods/objectives.h"
#include "plan/methods/polish.h"
#include "plan/methods/portfolio.h"
#include "plan/model/pins.h"
#include "plan/model/search.h"
#include "plan/pinned_lines.h"
#include "plan/within_budget.h"

namespace saturn {
namespace {

/// Left over from the search for breaking ties.
constexpr double kTieShare = 0.05;
constexpr Seconds kMostTieTime{0.5};
constexpr int kPolishRounds = 6;
constexpr std::int64_t kMostPolishMoves = 20000;
constexpr std::int64_t kPolishMovesPerTask = 1000;

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
    const std::span<const Option> options = instance.options(found->second, node);
    const bool staying = stays(problem, *assignment);
    const auto same = std::find_if(options.begin(), options.end(), [&](const Option& option) {
      return option.devices == static_cast<int>(assignment->devices.size()) && option.stays() == staying;
    });
    // A dominated configuration: the best one of that width takes its place.
    if (same == options.end()) return {};
    sequences[static_cast<size_t>(node)].push_back({found->second, *same});
  }
  return sequences;
}

/// The time, or the work, of one solve: the last of it is kept for breaking ties.
class SearchTime {
 public:
  explicit SearchTime(const SolveOptions& options)
      : work_{options.work - tie_work(options), options.work > 0},
        tie_work_{tie_work(options), options.work > 0},
        search_(Deadline::in(options.time_limit - std::min(kTieShare * options.time_limit, kMostTieTime),
                             options.cancel, &work_)
                    .counting(options.solver_use)),
        whole_(Deadline::in(options.time_limit, options.cancel, &tie_work_)) {}
  SearchTime(const SearchTime&) = delete;
  SearchTime& operator=(const SearchTime&) = delete;

  const Deadline& search() const { return search_; }
  Deadline ties() const { return whole_.within(kMostTieTime); }

 private:
  static std::int64_t tie_work(const SolveOptions& options) {
    return static_cast<std::int64_t>(kTieShare * static_cast<double>(options.work));
  }

  Work work_, tie_work_;
  Deadline search_, whole_;
};

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

/// Tells whoever listens how far a solve has come, in the problem's units. Does not own what it listens to.
class Reporter {
 public:
  explicit Reporter(const OnProgress& listener) : listener_(listener) {}

  /// The makespan, from now on.
  void follow(Search& search) const {
    if (!listener_) return;
    search.listen([this](const SearchState& state) {
      SolveProgress progress{elapsed(), Objective::Kind::kMakespan, {}, 0, state.method, state.bound_method};
      if (state.makespan >= 0) progress.value = in_seconds(state.makespan);
      progress.bound = in_seconds(state.makespan >= 0 ? std::min(state.makespan, state.bound) : state.bound);
      listener_(progress);
    });
  }

  /// Another objective, whose values are milliseconds divided by `divisor`.
  std::function<void(double, const ObjectiveResult&)> of(Objective::Kind measure, double divisor) const {
    if (!listener_) return {};
    return [this, measure, divisor](double value, const ObjectiveResult& best) {
      const double scale = 1000 * divisor;
      listener_({elapsed(), measure, value / scale, std::min(value, best.bound) / scale, best.method,
                 best.bound_method});
    };
  }

 private:
  Seconds elapsed() const { return std::chrono::steady_clock::now() - begun_; }

  const OnProgress& listener_;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

/// What a solve comes to, before it is told in the problem's words.
struct Found {
  Sequences sequences;
  std::string method;
  std::string bound_method;
  double objective_bound = 0;  ///< ObjectiveResult::bound; 0 for the makespan
};

Plan to_plan(const Problem& problem, const Search& search, const Found& found) {
  Plan plan;
  const std::vector<Placement> placements = decode(search.instance(), found.sequences);
  for (const Placement& placement : placements) {
    const ProblemTask& task = problem.tasks[static_cast<size_t>(placement.task)];
    const Configuration& configuration =
        placement.configuration == kStays ? task.running->staying
                                          : task.configurations[static_cast<size_t>(placement.configuration)];
    Assignment assignment;
    assignment.task = task.name;
    assignment.parallelism = configuration.parallelism;
    assignment.knobs = configuration.knobs;
    assignment.node = problem.nodes[static_cast<size_t>(placement.node)].name;
    assignment.devices = placement.devices;
    assignment.start_seconds = in_seconds(placement.start);
    assignment.duration_seconds = in_seconds(placement.duration);
    if (task.pin) assignment.pinned = pinned_parts(*task.pin);
    plan.assignments.push_back(std::move(assignment));
  }
  sort_assignments(plan);
  plan.method = found.method;
  plan.bound_method = found.bound_method;
  const Millis makespan = makespan_of(placements);
  plan.makespan_seconds = in_seconds(makespan);
  plan.lower_bound_seconds = in_seconds(std::min(makespan, search.bound()));
  plan.objective = problem.objective;
  double bound = found.objective_bound / 1000;
  if (plan.objective.kind == Objective::Kind::kMeanCompletion)
    bound /= static_cast<double>(std::max<size_t>(1, placements.size()));
  plan.objective_bound = std::min(bound, objective_value(plan));
  plan.gap = gap_of(plan);
  return plan;
}

/// No plan leaves the program unchecked.
void insist_on_valid(const Problem& problem, const Plan& plan) {
  const std::vector<Diagnostic> wrong = check_plan(problem, plan);
  if (!wrong.empty())
    throw std::logic_error("the planner made a plan that is none: " + to_text(wrong.front()));
}

void offer_known(const Problem& problem, const Plan* known, Search& search) {
  if (known == nullptr) return;
  const Sequences sequences = sequences_of(problem, search.instance(), *known);
  if (!sequences.empty()) search.offer(sequences, known->method);
}

/// The least makespan, or one of at most `enough`.
void search_makespan(Search& search, const SolveOptions& options, Millis enough, const Deadline& deadline) {
  search.set_enough(enough);
  if (!search.instance().regular) {
    const Instance free_of_pins = relaxed(search.instance());
    Search bounding(free_of_pins, options.seed, options.gap);
    bounding.set_enough(enough);
    bounding.listen([&](const SearchState& state) { search.raise_bound(state.bound, state.bound_method); });
    run_portfolio(bounding, deadline.within(deadline.left() / 3), options.threads);
  }
  run_portfolio(search, deadline, options.threads);
}

Found find(const Objective& objective, Search& search, const SolveOptions& options,
           const Reporter& reporter) {
  const SearchTime budget(options);
  ObjectiveOptions rest{options.gap, options.threads};
  const auto found = [](ObjectiveResult result) {
    return Found{std::move(result.sequences), std::move(result.method), std::move(result.bound_method),
                 result.bound};
  };
  if (objective.kind == Objective::Kind::kMeanCompletion) {
    bound_by_area(search);
    const size_t tasks = search.instance().tasks.size() + search.instance().placed.size();
    rest.report = reporter.of(objective.kind, static_cast<double>(std::max<size_t>(1, tasks)));
    return found(least_completions_plan(search, rest, budget.search()));
  }
  const bool has_limit = objective.kind == Objective::Kind::kDeadline;
  const Millis limit = has_limit ? static_cast<Millis>(objective.deadline_seconds * 1000 + 1e-3) : 0;
  reporter.follow(search);
  search_makespan(search, options, limit, budget.search());
  if (has_limit && search.makespan() <= limit) {
    search.listen({});
    rest.report = reporter.of(objective.kind, 1);
    return found(least_device_time_plan(search, limit, rest, budget.search()));
  }
  Sequences best = break_ties(search, budget.ties());
  search.offer(best, search.method());  // it may end earlier, too
  return {std::move(best), search.method(), search.bound_method(), 0};
}

/// Whatever the budget.
Plan solve_all(const Problem& problem, SolveOptions options) {
  // Several threads would share the work as the machine pleases.
  if (options.work > 0) options.threads = 1;
  if (has_gangs_across_nodes(problem)) return solve_across(problem, options, solve_all);
  const Reporter reporter(options.on_progress);
  const Instance instance = make_instance(problem);
  Search search(instance, options.seed, options.gap);
  offer_known(problem, options.incumbent, search);
  return to_plan(problem, search, find(problem.objective, search, options, reporter));
}

}  // namespace

Plan solve(const Problem& problem, const SolveOptions& options) {
  const bool limited = problem.budget.limited();
  Plan plan = limited ? solve_within(problem, options) : solve_all(problem, options);
  plan.budget = problem.budget;
  plan.baseline_seconds = whole_node_baseline(problem).makespan_seconds;
  insist_on_valid(problem, plan);
  return plan;
}

}  // namespace saturn
