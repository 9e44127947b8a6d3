// SPDX-License-Identifier: Apache-2.0
#include "replan/introspection.h"

#include "base/error.h"

namespace saturn {
namespace {

/// With many gangs running, freeing each by itself would only thin out the time for all.
constexpr size_t kMostSingleMoves = 8;

std::vector<std::set<std::string>> choices_of_movers(const RunState& state, const Plan& current) {
  const std::set<std::string> movable = movable_tasks(state, current);
  std::vector<std::set<std::string>> choices{{}};
  if (movable.size() <= kMostSingleMoves) {
    for (const std::string& task : movable) choices.push_back({task});
  }
  if (movable.size() > 1) choices.push_back(movable);
  return choices;
}

/// The solver knows neither hashes nor the user's pins: they are the current plan's.
void carry_over(const Plan& current, Plan& plan) {
  plan.workload_file = current.workload_file;
  plan.workload_hash = current.workload_hash;
  plan.profile_hash = current.profile_hash;
  plan.cluster_hash = current.cluster_hash;
  plan.baseline_seconds = current.baseline_seconds;
  keep_marks(current, plan);
}

/// Whether changing from one plan to the other is worth it: it has less of what the objective counts by more
/// than that share, or, where a deadline is missed, misses it by less.
bool pays(const Plan& before, const Plan& after, double threshold) {
  if (meets_deadline(before) != meets_deadline(after)) return meets_deadline(after);
  const auto value = [](const Plan& plan) {
    return meets_deadline(plan) ? objective_value(plan) : plan.makespan_seconds;
  };
  return value(after) < value(before) * (1 - threshold);
}

}  // namespace

Proposal reconsider(const RemainingInputs& inputs, const std::string& reason, double threshold,
                    const SolveOptions& options) {
  Proposal proposal;
  proposal.reason = reason;
  Plan best = projected_plan(inputs, remaining_problem(inputs, {}));
  proposal.remaining_seconds_before = best.makespan_seconds;
  const auto choices = choices_of_movers(inputs.state, inputs.current);
  SolveOptions share = options;
  share.time_limit = options.time_limit / static_cast<double>(choices.size());
  for (const auto& movers : choices) {
    if (options.cancel != nullptr && *options.cancel) break;
    Plan plan = solve(remaining_problem(inputs, movers), share);
    if (!pays(best, plan, threshold)) continue;
    best = plan;
    proposal.remaining_seconds_after = plan.makespan_seconds;
    carry_over(inputs.current, plan);
    proposal.plan = std::move(plan);
  }
  return proposal;
}

BackgroundIntrospector::BackgroundIntrospector(RunSetup setup, Profile profile, Seconds time_limit,
                                               std::function<void()> done)
    : setup_(std::move(setup)),
      profile_(std::move(profile)),
      time_limit_(time_limit),
      done_(std::move(done)) {}

BackgroundIntrospector::~BackgroundIntrospector() {
  cancel_ = true;
  if (thread_.joinable()) thread_.join();
}

void BackgroundIntrospector::consider(const RunState& state, const Plan& current, const std::string& reason) {
  if (thread_.joinable()) return;
  finished_ = false;
  proposal_.reset();
  thread_ = std::thread([this, state, current, reason] {
    try {
      proposal_ =
          reconsider({setup_, profile_, state, current}, reason, setup_.settings.introspection_threshold,
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
  if (!finished_ || !thread_.joinable()) return {};
  thread_.join();
  return std::exchange(proposal_, std::nullopt);
}

}  // namespace saturn
