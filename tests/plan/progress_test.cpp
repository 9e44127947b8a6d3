// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <vector>

#include "plan/fixtures.h"
#include "plan/model/search.h"
#include "plan/solve.h"

namespace saturn::progress_test {
namespace {

Problem sweep(int tasks) {
  Problem problem;
  problem.nodes = {test::node("n0", 8), test::node("n1", 4, 20)};
  for (int t = 0; t < tasks; ++t)
    problem.tasks.push_back(
        test::task("t" + std::to_string(t), {{1, 100 + t * 7.7}, {2, 60 + t * 4.3}, {4, 40 + t * 2.1}}));
  return problem;
}

struct Followed {
  std::vector<SolveProgress> steps;
  Plan plan;
};

Followed follow(const Problem& problem, SolveOptions options) {
  Followed result;
  options.on_progress = [&](const SolveProgress& now) { result.steps.push_back(now); };
  result.plan = solve(problem, options);
  return result;
}

/// No plan is told of that is worse than one before, no bound that is lower, no time that is earlier.
void check_only_better(const std::vector<SolveProgress>& steps) {
  for (size_t i = 1; i < steps.size(); ++i) {
    CAPTURE(i);
    CHECK(steps[i].elapsed >= steps[i - 1].elapsed);
    if (steps[i].measure != steps[i - 1].measure) continue;  // the deadline is met from here on
    CHECK(steps[i].bound >= steps[i - 1].bound);
    if (steps[i - 1].value) CHECK(steps[i].value.value_or(1e9) <= *steps[i - 1].value);
  }
  for (const SolveProgress& step : steps)
    if (step.value) CHECK(step.bound <= *step.value);
}

TEST_CASE("Every better plan and bound is told, and the last ones are the plan's") {
  for (const int threads : {1, 3}) {
    SolveOptions options;
    options.time_limit = Seconds(0.5);
    options.threads = threads;
    const Followed followed = follow(sweep(30), options);
    REQUIRE(followed.steps.size() >= 2);
    check_only_better(followed.steps);
    const SolveProgress& last = followed.steps.back();
    CHECK(last.measure == Objective::Kind::kMakespan);
    CHECK(last.value == followed.plan.makespan_seconds);
    CHECK(last.bound == followed.plan.lower_bound_seconds);
    CHECK(last.method == followed.plan.method);
    CHECK(last.bound_method == followed.plan.bound_method);
  }
}

TEST_CASE("Around pinned starts the bounds of the problem without the pins are told, too") {
  Problem problem = sweep(30);
  problem.tasks[3].pin = Pin{{}, 0, {}, 500.0};
  SolveOptions options;
  options.time_limit = Seconds(0.5);
  const Followed followed = follow(problem, options);
  check_only_better(followed.steps);
  CHECK(followed.steps.back().bound == followed.plan.lower_bound_seconds);
  CHECK(followed.steps.back().value.value_or(0) == followed.plan.makespan_seconds);
}

TEST_CASE("Other objectives are told in their own measure") {
  Problem problem = sweep(30);
  SolveOptions options;
  options.time_limit = Seconds(0.5);
  problem.objective = {Objective::Kind::kMeanCompletion, 0};
  const Followed mean = follow(problem, options);
  check_only_better(mean.steps);
  REQUIRE(!mean.steps.empty());
  CHECK(mean.steps.back().measure == Objective::Kind::kMeanCompletion);
  CHECK(mean.steps.back().value.value_or(0) == doctest::Approx(objective_value(mean.plan)));

  problem.objective = {Objective::Kind::kDeadline, 10000};
  const Followed deadline = follow(problem, options);
  check_only_better(deadline.steps);
  REQUIRE(!deadline.steps.empty());
  CHECK(deadline.steps.front().measure == Objective::Kind::kMakespan);
  CHECK(deadline.steps.back().measure == Objective::Kind::kDeadline);
  CHECK(deadline.steps.back().value.value_or(0) == doctest::Approx(device_seconds(deadline.plan)));
  CHECK(deadline.steps.back().bound == doctest::Approx(deadline.plan.objective_bound));
}

TEST_CASE("A listener that comes late is told what there is; one that has gone is told nothing") {
  const Problem problem = sweep(4);
  const Instance instance = make_instance(problem);
  Search search(instance, 0, 0);
  bound_by_area(search);
  std::vector<SearchState> told;
  search.listen([&](const SearchState& state) { told.push_back(state); });
  REQUIRE(told.size() == 1);
  CHECK(told[0].makespan < 0);
  CHECK(told[0].bound == search.bound());
  construct(search, Deadline::in(Seconds(1)));
  CHECK(told.size() >= 2);
  CHECK(told.back().makespan == search.makespan());
  CHECK(told.back().method == "best fit");
  const size_t before = told.size();
  search.listen({});
  search.raise_bound(search.makespan(), "test");
  CHECK(told.size() == before);
}

TEST_CASE("What CBC takes is counted") {
  SolverUse use;
  SolveOptions options;
  options.time_limit = Seconds(3600);
  options.work = 40000000;  // a machine that is slow comes as far
  options.solver_use = &use;
  (void)solve(sweep(30), options);
  CHECK(use.solves > 0);
  CHECK(use.microseconds > 0);
}

}  // namespace
}  // namespace saturn::progress_test
