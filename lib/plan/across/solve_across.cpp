// SPDX-License-Identifier: Apache-2.0
#include "plan/across/solve_across.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "plan/across/annealing.h"
#include "plan/across/front.h"
#include "plan/across/gangs.h"
#include "plan/across/list_scheduling.h"
#include "plan/across/relaxation.h"
#include "plan/bounds/bisection.h"
#include "plan/bounds/objective_bounds.h"
#include "plan/methods/portfolio.h"
#include "plan/model/search.h"

namespace saturn {
namespace {

// Shares of the time, or of the work.
constexpr double kFirstBound = 0.1;
constexpr double kFront = 0.05;
constexpr double kFirstOrder = 0.1;
constexpr double kFirstRest = 0.1;  ///< each of three problems of single nodes
constexpr double kLaterBound = 0.05;
constexpr double kLaterOrder = 0.05;
constexpr double kMostOfTheRest = 0.9;
constexpr double kHalfOfTheRest = 0.5;
constexpr size_t kFewTasks = 40;
/// Rounds after the first that no clock ends.
constexpr int kMostRounds = 1000;
constexpr double kSame = 1e-6;

constexpr const char* kListMethod = "annealing across nodes";
constexpr size_t kLargestLanes = 2000;

/// What plans of the problem are compared by.
std::tuple<double, double, double> key_of(const Plan& plan) {
  const double late = std::max(0.0, plan.makespan_seconds - plan.objective.deadline_seconds);
  switch (plan.objective.kind) {
    case Objective::Kind::kMakespan:
      return {plan.makespan_seconds, device_seconds(plan), mean_completion_seconds(plan)};
    case Objective::Kind::kMeanCompletion:
      return {mean_completion_seconds(plan), device_seconds(plan), plan.makespan_seconds};
    case Objective::Kind::kDeadline:
      return {late > kSame ? late : 0, device_seconds(plan), mean_completion_seconds(plan)};
  }
  return {};
}

/// What is proven of all plans: by what does not care on which nodes a gang's parts are.
class AcrossBound {
 public:
  AcrossBound(const Problem& problem, const SolveOptions& options)
      : instance_(relaxation(problem, true)),
        pieces_(pieces(problem)),
        threads_(options.threads),
        search_(instance_, 0, 0),
        widths_(bound_by_widths(search_)),
        lanes_(bound_by_lanes(search_)) {
    bound_by_area(search_);
    if (pieces_) {
      of_pieces_ = std::make_unique<Search>(*pieces_, options.seed, 0);
      of_pieces_->listen(
          [this](const SearchState& state) { search_.raise_bound(state.bound, state.bound_method); });
    }
    if (problem.objective.kind == Objective::Kind::kMeanCompletion && !problem.tasks.empty()) {
      double sum = least_completions(relaxation(problem, false));
      for (const ProblemTask& task : problem.tasks) {
        if (!is_pinned_across(task)) continue;
        const double duration =
            task.configurations[static_cast<size_t>(*task.pin->configuration)].duration_seconds;
        sum += static_cast<double>(std::llround(*task.pin->start_seconds * 1000) + duration_millis(duration));
      }
      objective_ = sum / 1000 / static_cast<double>(problem.tasks.size());
      objective_method_ = "squashed area";
    } else if (problem.objective.kind == Objective::Kind::kDeadline) {
      const auto limit = static_cast<Millis>(problem.objective.deadline_seconds * 1000 + 1e-3);
      objective_ = static_cast<double>(least_device_time(instance_, limit)) / 1000;
      objective_method_ = "least areas";
    }
  }

  void know(const Plan& plan) { search_.know(std::llround(plan.makespan_seconds * 1000)); }
  /// Tries to prove more of the makespan.
  void prove(const Deadline& deadline) {
    while (!deadline.passed() && !search_.done()) {
      if (widths_.step(deadline)) continue;
      if (instance_.tasks.size() > kLargestLanes || !lanes_.step(deadline)) break;
    }
    if (of_pieces_ && !deadline.passed() && !search_.done() && !of_pieces_->done())
      run_portfolio(*of_pieces_, deadline, threads_);
  }

  double makespan() const { return static_cast<double>(search_.bound()) / 1000; }
  std::string makespan_method() const { return search_.bound_method(); }
  /// Of another objective.
  double objective() const { return objective_; }
  const std::string& objective_method() const { return objective_method_; }

 private:
  Instance instance_;
  std::optional<Instance> pieces_;
  int threads_;
  Search search_;
  std::unique_ptr<Search> of_pieces_;
  Bisection widths_, lanes_;
  double objective_ = 0;
  std::string objective_method_;
};

class AcrossSolver {
 public:
  AcrossSolver(const Problem& problem, const SolveOptions& options, const NodeSolver& on_nodes)
      : problem_(problem),
        options_(options),
        on_nodes_(on_nodes),
        whole_(Deadline::in(options.time_limit, options.cancel)),
        bound_(problem, options),
        scheduling_(problem) {}

  Plan run() {
    if (!any_across()) return on_nodes_(reduced(problem_, {}).problem, options_);
    offer(plan_of(problem_, scheduling_.gangs(first_turns(problem_, scheduling_))), kListMethod);
    if (options_.incumbent != nullptr && check_plan(problem_, *options_.incumbent).empty())
      offer(plan_of(problem_, gangs_of(*options_.incumbent)), options_.incumbent->method);
    prove(kFirstBound);
    if (!done()) solve_first();
    for (int round = 1; !done() && round < kMostRounds && (round == 1 || goes_on()); ++round) {
      prove(kLaterBound);
      anneal(kLaterOrder, static_cast<std::uint64_t>(round));
      solve_rest(gangs_of(best_), later_rest());
    }
    finish(best_);
    return std::move(best_);
  }

 private:
  bool counts_work() const { return options_.work > 0; }
  /// A deadline leaves time for more; work is dealt out in shares once.
  bool goes_on() const { return !counts_work() && !whole_.passed(); }
  /// Of the work what is not given to others; of the time a part of what is left. Of many tasks the solver of
  /// single nodes makes more than another round of annealing their order.
  double later_rest() const {
    if (counts_work())
      return 1 - kFirstBound - kFront - kFirstOrder - 3 * kFirstRest - kLaterBound - kLaterOrder;
    const double share = problem_.tasks.size() > kFewTasks ? kMostOfTheRest : kHalfOfTheRest;
    return share * (whole_.left() / options_.time_limit);
  }

  std::int64_t work_of(double share) const {
    return std::max<std::int64_t>(1, std::llround(static_cast<double>(options_.work) * share));
  }
  Seconds time_of(double share) const {
    return counts_work() ? whole_.left() : std::min(share * options_.time_limit, whole_.left());
  }

  void prove(double share) {
    if (problem_.objective.kind == Objective::Kind::kMeanCompletion) return;
    if (problem_.objective.kind == Objective::Kind::kDeadline && meets_deadline(best_)) return;
    Work work{work_of(share), counts_work()};
    bound_.prove(Deadline::in(time_of(share), options_.cancel, &work).counting(options_.solver_use));
    report();
  }

  std::optional<std::vector<Gang>> choose_front() {
    Work work{work_of(kFront), counts_work()};
    const Deadline deadline = Deadline::in(time_of(kFront), options_.cancel, &work);
    const std::optional<Turns> turns = across_in_front(problem_, scheduling_, options_.seed, deadline);
    if (!turns) return std::nullopt;
    std::vector<Gang> gangs = scheduling_.gangs(*turns);
    offer(plan_of(problem_, gangs), kListMethod);
    return gangs;
  }

  /// Several ways to begin with: the order as it is, those across nodes in front of all others, and none
  /// across nodes.
  void solve_first() {
    const std::optional<std::vector<Gang>> in_front = choose_front();
    anneal(kFirstOrder, 0);
    solve_rest(gangs_of(best_), kFirstRest);
    solve_rest(in_front ? *in_front : scheduling_.gangs(across_first(scheduling_.turns_of(best_))),
               kFirstRest);
    if (may_all_be_on_one_node()) solve_rest({}, kFirstRest);
  }

  /// Whether anything goes across nodes, or could with profit.
  bool any_across() const {
    const auto is_across = [](const Way& way) { return way.nodes > 1; };
    return std::any_of(scheduling_.pinned().begin(), scheduling_.pinned().end(),
                       [](const Gang& gang) { return gang.parts.size() > 1; }) ||
           std::any_of(scheduling_.open().begin(), scheduling_.open().end(), [&](int task) {
             const std::vector<Way>& ways = scheduling_.ways(task);
             return std::any_of(ways.begin(), ways.end(), is_across);
           });
  }

  bool may_all_be_on_one_node() const {
    return std::all_of(scheduling_.open().begin(), scheduling_.open().end(), [&](int task) {
      const std::vector<Way>& ways = scheduling_.ways(task);
      return std::any_of(ways.begin(), ways.end(), [](const Way& way) { return way.nodes == 1; });
    });
  }

  Turns across_first(Turns turns) const {
    std::stable_partition(turns.begin(), turns.end(), [&](const Turn& turn) {
      return scheduling_.ways(turn.task)[static_cast<size_t>(turn.way)].nodes > 1;
    });
    return turns;
  }

  void anneal(double share, std::uint64_t round) {
    if (done()) return;
    Work work{work_of(share), counts_work()};
    const Deadline deadline = Deadline::in(time_of(share), options_.cancel, &work);
    const Turns turns = anneal_turns(problem_, scheduling_, scheduling_.turns_of(best_),
                                     options_.seed * 1000003 + round, deadline);
    offer(plan_of(problem_, scheduling_.gangs(turns)), kListMethod);
  }

  std::vector<Gang> gangs_of(const Plan& plan) const {
    std::map<std::string, int> tasks, nodes;
    for (size_t t = 0; t < problem_.tasks.size(); ++t)
      tasks.emplace(problem_.tasks[t].name, static_cast<int>(t));
    for (size_t n = 0; n < problem_.nodes.size(); ++n)
      nodes.emplace(problem_.nodes[n].name, static_cast<int>(n));
    std::vector<Gang> gangs;
    for (const Assignment& line : plan.assignments) {
      const int task = tasks.at(line.task);
      const ProblemTask& of = problem_.tasks[static_cast<size_t>(task)];
      const int configuration =
          stays(problem_, line)
              ? kStays
              : configuration_of(of, line, problem_.nodes[static_cast<size_t>(nodes.at(line.node))].kind)
                    .value();
      Gang gang{task,
                configuration,
                std::llround(line.start_seconds * 1000),
                std::llround(line.duration_seconds * 1000),
                {}};
      for_each_part(line, [&](const std::string& node, const std::vector<int>& devices) {
        gang.parts.push_back({nodes.at(node), devices});
      });
      gangs.push_back(std::move(gang));
    }
    return gangs;
  }

  /// Solves for the others, with those of the gangs that go across nodes where they are.
  void solve_rest(const std::vector<Gang>& gangs, double share) {
    if (done()) return;
    std::vector<Gang> placed = scheduling_.pinned();
    std::set<int> there;
    for (const Gang& gang : placed) there.insert(gang.task);
    std::vector<Gang> all = gangs;
    all.insert(all.end(), placed.begin(), placed.end());
    for (const Gang& gang : gangs) {
      const bool fixed = gang.parts.size() > 1 || scheduling_.precedes_gang_across(gang.task, all);
      if (fixed && there.insert(gang.task).second) placed.push_back(gang);
    }
    const Reduced rest = reduced(problem_, placed);
    SolveOptions options = options_;
    options.time_limit = time_of(share);
    if (counts_work()) options.work = work_of(share);
    options.incumbent = nullptr;
    options.on_progress = follow();
    Plan known = lines_of(rest, gangs);
    if (!gangs.empty()) options.incumbent = &known;
    try {
      const Plan plan = on_nodes_(rest.problem, options);
      offer(joined(problem_, rest, plan), plan.method);
    } catch (const InputError&) {
      // What list scheduling can place, single nodes may not: the plan that there is stays.
    }
  }

  /// The gangs as a plan of the reduced problem.
  Plan lines_of(const Reduced& rest, const std::vector<Gang>& gangs) const {
    Plan plan;
    const Plan whole = plan_of(problem_, gangs);
    std::map<std::string, const Assignment*> lines;
    for (const Assignment& line : whole.assignments) lines.emplace(line.task, &line);
    for (size_t i = 0; i < rest.origin.size(); ++i) {
      const auto& [task, part] = rest.origin[i];
      const auto found = lines.find(problem_.tasks[static_cast<size_t>(task)].name);
      if (found == lines.end()) continue;
      Assignment line = *found->second;
      line.task = rest.problem.tasks[i].name;
      if (part > 0) {
        line.node = found->second->further[static_cast<size_t>(part) - 1].node;
        line.devices = found->second->further[static_cast<size_t>(part) - 1].devices;
      }
      line.further.clear();
      plan.assignments.push_back(std::move(line));
    }
    plan.makespan_seconds = whole.makespan_seconds;
    plan.objective = problem_.objective;
    plan.method = kListMethod;
    sort_assignments(plan);
    return plan;
  }

  void offer(Plan plan, const std::string& method) {
    plan.objective = problem_.objective;
    if (has_plan_ && key_of(plan) >= key_of(best_)) return;
    if (!check_plan(problem_, plan).empty()) return;
    plan.method = method;
    best_ = std::move(plan);
    has_plan_ = true;
    bound_.know(best_);
    finish(best_);
    report();
  }

  void finish(Plan& plan) const {
    plan.lower_bound_seconds = std::min(bound_.makespan(), plan.makespan_seconds);
    const bool by_makespan = plan.objective.kind == Objective::Kind::kMakespan || !meets_deadline(plan);
    plan.bound_method = by_makespan ? bound_.makespan_method() : bound_.objective_method();
    plan.objective_bound = plan.objective.kind == Objective::Kind::kMakespan
                               ? 0
                               : std::min(bound_.objective(), objective_value(plan));
    plan.gap = gap_of(plan);
  }

  bool done() const {
    if (whole_.passed()) return true;
    return has_plan_ && best_.gap <= std::max(options_.gap, 1e-9);
  }

  void report() {
    if (!options_.on_progress || !has_plan_) return;
    finish(best_);
    const bool by_makespan = best_.objective.kind == Objective::Kind::kMakespan || !meets_deadline(best_);
    options_.on_progress({elapsed(), by_makespan ? Objective::Kind::kMakespan : best_.objective.kind,
                          by_makespan ? best_.makespan_seconds : objective_value(best_),
                          by_makespan ? best_.lower_bound_seconds : best_.objective_bound, best_.method,
                          best_.bound_method});
  }

  /// What the solver of single nodes finds is told when it is better; its bound holds for its problem alone.
  OnProgress follow() const {
    const bool by_makespan = problem_.objective.kind == Objective::Kind::kMakespan;
    if (!options_.on_progress || !by_makespan) return {};
    return [this](const SolveProgress& now) {
      if (!now.value || *now.value >= best_.makespan_seconds) return;
      options_.on_progress({elapsed(), Objective::Kind::kMakespan, now.value,
                            std::min(bound_.makespan(), *now.value), now.method, bound_.makespan_method()});
    };
  }

  Seconds elapsed() const { return std::chrono::steady_clock::now() - begun_; }

  const Problem& problem_;
  const SolveOptions& options_;
  const NodeSolver& on_nodes_;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  Deadline whole_;
  AcrossBound bound_;
  ListScheduling scheduling_;
  Plan best_;
  bool has_plan_ = false;
};

}  // namespace

Plan solve_across(const Problem& problem, const SolveOptions& options, const NodeSolver& on_nodes) {
  std::vector<std::string> errors;
  check_across(problem, errors);
  if (!errors.empty()) {
    std::vector<Diagnostic> diagnostics;
    for (const std::string& error : errors) diagnostics.push_back({"", 0, 0, error, ""});
    throw InputError(std::move(diagnostics));
  }
  return AcrossSolver(problem, options, on_nodes).run();
}

}  // namespace saturn
