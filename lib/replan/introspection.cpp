// SPDX-License-Identifier: Apache-2.0
#include "replan/introspection.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "plan/within_budget.h"

namespace saturn {
namespace {

/// The solver knows neither hashes nor the user's pins: they are the current plan's.
void carry_over(const Plan& current, Plan& plan) {
  plan.workload_file = current.workload_file;
  plan.workload_hash = current.workload_hash;
  plan.profile_hash = current.profile_hash;
  plan.cluster_hash = current.cluster_hash;
  plan.baseline_seconds = current.baseline_seconds;
  keep_marks(current, plan);
}

/// All its tasks are expected to end within the budget.
bool is_within_budget(const Plan& plan) {
  return fits(plan, plan.budget) && std::none_of(plan.assignments.begin(), plan.assignments.end(),
                                                 [](const Assignment& line) { return line.beyond_budget; });
}

/// Whether changing from one plan to the other is worth it: it has less of what the objective counts by more
/// than that share, or, where a deadline is missed, misses it by less. Where not everything ends within the
/// budget, it is worth it when more tasks do.
bool pays(const Plan& before, const Plan& after, double threshold) {
  if (before.budget.limited() && !(is_within_budget(before) && is_within_budget(after)))
    return ending_within(after, before.budget).size() > ending_within(before, before.budget).size();
  if (meets_deadline(before) != meets_deadline(after)) return meets_deadline(after);
  const auto value = [](const Plan& plan) {
    return meets_deadline(plan) ? objective_value(plan) : plan.makespan_seconds;
  };
  return value(after) < value(before) * (1 - threshold);
}

/// The tasks whose gangs the plan does not leave as they are.
std::vector<std::string> moved(const Problem& problem, const Plan& plan) {
  std::set<std::string> running;
  for (const ProblemTask& task : problem.tasks)
    if (task.running) running.insert(task.name);
  std::vector<std::string> names;
  for (const Assignment& line : plan.assignments)
    if (running.contains(line.task) && !stays(problem, line)) names.push_back(line.task);
  return names;
}

/// The same problem, but all gangs stay except those of `movers`.
Problem with_movers(Problem problem, const std::vector<std::string>& movers) {
  for (ProblemTask& task : problem.tasks)
    if (task.running && std::find(movers.begin(), movers.end(), task.name) == movers.end())
      task.configurations.clear();
  return problem;
}

/// Takes back the moves that do not pay.
class Settling {
 public:
  /// `current`: null when that cannot be carried out any more, and any plan is better.
  Settling(const Problem& problem, const Plan* current, const Plan& best, double threshold)
      : problem_(problem), current_(current), best_(best), threshold_(threshold), plan_(best) {}

  Plan run(const SolveOptions& options) {
    const std::vector<std::string> movers = moved(problem_, plan_);
    SolveOptions share = options;
    share.time_limit = options.time_limit / static_cast<double>(movers.size() + 1);
    if (movers.empty() || try_movers({}, share) || movers.size() == 1) return plan_;
    for (const std::string& mover : movers) {
      std::vector<std::string> others = moved(problem_, plan_);
      if (std::erase(others, mover) > 0) try_movers(others, share);
    }
    return plan_;
  }

 private:
  bool try_movers(const std::vector<std::string>& movers, const SolveOptions& options) {
    if (options.cancel != nullptr && *options.cancel) return false;
    Plan plan = solve(with_movers(problem_, movers), options);
    const bool better = current_ == nullptr || pays(*current_, plan, threshold_);
    if (!better || pays(plan, best_, threshold_)) return false;
    plan_ = std::move(plan);
    return true;
  }

  const Problem& problem_;
  const Plan* current_;
  const Plan& best_;
  double threshold_;
  Plan plan_;
};

/// A bound of what is left, in place of that for gangs that must stay.
void take_bound(const Plan& from, Plan& plan) {
  plan.lower_bound_seconds = from.lower_bound_seconds;
  plan.objective_bound = from.objective_bound;
  plan.bound_method = from.bound_method;
  plan.gap = gap_of(plan);
}

/// The best plan that it finds; when it is not worth leaving the current one, as soon as that is proven.
Plan best_plan(const Problem& problem, const Plan* current, double threshold, const SolveOptions& options) {
  if (current == nullptr) return solve(problem, options);
  SolveOptions half = options;
  half.time_limit = options.time_limit / 2;
  half.incumbent = current;
  half.gap = threshold;
  Plan best = solve(problem, half);
  if (!pays(*current, best, threshold)) return best;
  half.incumbent = &best;
  half.gap = options.gap;
  return solve(problem, half);
}

}  // namespace

Proposal reconsider(const RemainingInputs& inputs, const std::string& reason, double threshold,
                    const SolveOptions& options) {
  const Remaining remaining = remaining_work(inputs);
  const Problem& problem = remaining.problem;
  Proposal proposal;
  proposal.reason = reason;
  proposal.stranded = remaining.stranded;
  if (problem.tasks.empty()) return proposal;
  Plan projected = projected_plan(inputs, problem);
  projected.method = inputs.current.method;
  const Plan* current = check_plan(problem, projected).empty() ? &projected : nullptr;
  if (current != nullptr) proposal.remaining_seconds_before = current->makespan_seconds;
  SolveOptions share = options;
  share.time_limit = options.time_limit / 2;
  const Plan best = best_plan(problem, current, threshold, share);
  proposal.remaining_seconds_after = best.makespan_seconds;
  if (current != nullptr && !pays(*current, best, threshold)) return proposal;
  // What takes moves back knows nothing of a budget.
  Plan plan = problem.budget.limited() && !is_within_budget(best)
                  ? best
                  : Settling(problem, current, best, threshold).run(share);
  take_bound(best, plan);
  plan = in_cluster(inputs, std::move(plan));
  carry_over(inputs.current, plan);
  proposal.remaining_seconds_after = plan.makespan_seconds;
  proposal.plan = std::move(plan);
  return proposal;
}

BackgroundIntrospector::BackgroundIntrospector(std::function<Profile()> profile, Seconds time_limit,
                                               std::function<void()> done)
    : read_profile_(std::move(profile)),
      profile_(read_profile_()),
      time_limit_(time_limit),
      done_(std::move(done)) {}

void BackgroundIntrospector::tasks_changed() {
  end_look();
  profile_ = read_profile_();
}

BackgroundIntrospector::~BackgroundIntrospector() {
  end_look();
}

void BackgroundIntrospector::end_look() {
  cancel_ = true;
  if (thread_.joinable()) thread_.join();
  cancel_ = false;
  finished_ = false;
  proposal_.reset();
}

void BackgroundIntrospector::consider(const RunSetup& setup, const RunState& state, const Plan& current,
                                      const std::string& reason) {
  end_look();
  thread_ = std::thread([this, setup, state, current, reason] {
    try {
      proposal_ =
          reconsider({setup, profile_, state, current}, reason, setup.settings.introspection_threshold,
                     {.time_limit = time_limit_, .cancel = &cancel_});
    } catch (const std::exception& error) {
      // A look that fails must not stop a run that goes well: the plan in force stays.
      proposal_ = Proposal{.reason = reason, .plan = {}, .failure = error.what()};
    }
    finished_ = true;
    done_();
  });
}

std::optional<Proposal> BackgroundIntrospector::take() {
  if (!finished_) return {};
  thread_.join();
  finished_ = false;
  return std::exchange(proposal_, std::nullopt);
}

}  // namespace saturn
