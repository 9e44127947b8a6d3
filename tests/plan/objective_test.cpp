// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <doctest/doctest.h>
#include <random>

#include "many.h"
#include "plan/bounds/objective_bounds.h"
#include "plan/fixtures.h"
#include "plan/model/instance.h"
#include "plan/random_problems.h"
#include "plan/solve.h"

namespace saturn::objective_test {
namespace {

using test::MeasureKey;
using test::Measures;

SolveOptions with_work(std::int64_t work) {
  SolveOptions options;
  options.time_limit = Seconds(3600);
  options.work = work;
  return options;
}

MeasureKey by_completions(const Measures& m) {
  return {m.completions, m.area, 0};
}

struct Tally {
  int problems = 0;
  int optimal = 0;
  int proven = 0;
};

TEST_CASE("Mean completion: the plan is what brute force finds, and the bound never above it") {
  test::RandomProblems problems(31);
  Tally tally;
  double gaps = 0;
  for (int i = 0; i < test::many(300); ++i) {
    Problem problem = problems.next(i % 2 == 1);
    if (i % 3 == 2) problems.pin_some(problem);
    problem.objective = {Objective::Kind::kMeanCompletion, 0};
    const Measures best = test::best_measures(problem, by_completions);
    const double mean =
        static_cast<double>(best.completions) / 1000 / static_cast<double>(problem.tasks.size());
    const Plan plan = solve(problem, with_work(1000000));
    CAPTURE(i);
    CHECK(test::text_of(check_plan(problem, plan)) == "");
    CHECK(objective_value(plan) >= mean - 1e-5);
    CHECK(plan.objective_bound <= mean + 1e-5);
    const bool optimal = objective_value(plan) <= mean + 1e-5;
    ++tally.problems;
    tally.optimal += optimal ? 1 : 0;
    tally.proven += plan.gap < 1e-5 ? 1 : 0;
    gaps += 1 - plan.objective_bound / mean;
  }
  CHECK(tally.optimal * 100 >= tally.problems * 99);  // 300 of 300 when this was written
  CHECK(tally.proven * 100 >= tally.problems * 40);   // 125
  CHECK(gaps / tally.problems < 0.09);
}

TEST_CASE("A deadline: the least device time that brute force finds, and the bound never above it") {
  test::RandomProblems problems(32);
  std::mt19937_64 random(33);
  Tally tally;
  int missed = 0;
  for (int i = 0; i < test::many(300); ++i) {
    Problem problem = problems.next(i % 2 == 1);
    if (i % 3 == 2) problems.pin_some(problem);
    const double least = test::least_makespan(problem);
    // From a little too short to twice the least makespan.
    const double deadline =
        std::max(0.25, std::round(least * (0.9 + 0.11 * static_cast<double>(random() % 11)) * 4) / 4);
    problem.objective = {Objective::Kind::kDeadline, deadline};
    const Plan plan = solve(problem, with_work(3000000));
    CAPTURE(i);
    CHECK(test::text_of(check_plan(problem, plan)) == "");
    if (deadline < least) {
      ++missed;
      CHECK_FALSE(meets_deadline(plan));
      CHECK(plan.lower_bound_seconds <= least + 1e-9);
      CHECK(plan.objective_bound == 0);
      continue;
    }
    const Measures best = test::best_measures(problem, [&](const Measures& m) {
      return MeasureKey{std::max(0L, m.makespan - std::lround(deadline * 1000)), m.area, m.completions};
    });
    const double area = static_cast<double>(best.area) / 1000;
    if (make_instance(problem).regular) CHECK(meets_deadline(plan));
    if (!meets_deadline(plan)) continue;
    CHECK(device_seconds(plan) >= area - 1e-5);
    CHECK(plan.objective_bound <= area + 1e-5);
    ++tally.problems;
    tally.optimal += device_seconds(plan) <= area + 1e-5 ? 1 : 0;
    tally.proven += plan.gap < 1e-5 ? 1 : 0;
  }
  CHECK(missed > 0);
  CHECK(tally.problems + missed >= test::many(300) - 1);
  CHECK(tally.optimal >= tally.problems - 4);  // all but 1 when this was written
  CHECK(tally.proven >= tally.problems - 12);  // all but 7
}

Problem sweep_of_30() {
  Problem problem;
  problem.nodes = {test::node("n0", 8), test::node("n1", 4, 20)};
  for (int t = 0; t < 30; ++t)
    problem.tasks.push_back(
        test::task("t" + std::to_string(t), {{1, 100 + t * 7.7}, {2, 60 + t * 4.3}, {4, 40 + t * 2.1}}));
  return problem;
}

TEST_CASE("On one device the mean completion is least with the shortest first, and proven") {
  Problem problem;
  problem.nodes = {test::node("n0", 1, 2)};
  problem.tasks = {test::task("long", {{1, 9}}), test::task("short", {{1, 1}}),
                   test::task("middle", {{1, 4}})};
  problem.objective = {Objective::Kind::kMeanCompletion, 0};
  const Plan plan = solve(problem, with_work(1000000));
  CHECK(plan.assignments[0].task == "short");
  CHECK(plan.assignments[1].task == "middle");
  CHECK(objective_value(plan) == doctest::Approx((3 + 7 + 16) / 3.0));
  CHECK(plan.gap < 1e-6);
  CHECK(plan.lower_bound_seconds == 16);
}

TEST_CASE("A later deadline takes less device time, up to the least areas") {
  Problem problem = sweep_of_30();
  const double least = solve(problem, with_work(3000000)).makespan_seconds;
  double area = 1e9;
  for (const double factor : {1.02, 1.2, 2.0}) {
    problem.objective = {Objective::Kind::kDeadline, least * factor};
    const Plan plan = solve(problem, with_work(30000000));
    CAPTURE(factor);
    CHECK(test::text_of(check_plan(problem, plan)) == "");
    CHECK(meets_deadline(plan));
    CHECK(device_seconds(plan) <= area);
    CHECK(plan.objective_bound <= device_seconds(plan));
    area = device_seconds(plan);
  }
  double least_area = 0;
  for (const ProblemTask& task : problem.tasks) least_area += task.configurations.front().duration_seconds;
  CHECK(area == doctest::Approx(least_area));
}

TEST_CASE("A deadline that cannot be met gives the earliest end, and the bound that says so") {
  Problem problem;
  problem.nodes = {test::node("n0", 2)};
  problem.tasks = {test::task("a", {{1, 4.0}, {2, 3.0}}), test::task("b", {{1, 4.0}})};
  problem.objective = {Objective::Kind::kDeadline, 3.5};
  const Plan plan = solve(problem, with_work(3000000));
  CHECK(plan.makespan_seconds == 4);
  CHECK(plan.lower_bound_seconds == 4);
  CHECK(plan.objective_bound == 0);
  CHECK(plan.gap == 0);
}

TEST_CASE("The same seed and the same work give the same plan for every objective") {
  Problem problem = sweep_of_30();
  for (const Objective objective :
       {Objective{Objective::Kind::kMeanCompletion, 0}, Objective{Objective::Kind::kDeadline, 800}}) {
    problem.objective = objective;
    SolveOptions options = with_work(5000000);
    const std::string plan = to_text(solve(problem, options));
    options.threads = 3;
    CHECK(to_text(solve(problem, options)) == plan);
  }
}

TEST_CASE("A time limit of 0 gives a plan for every objective") {
  Problem problem = sweep_of_30();
  for (const Objective objective :
       {Objective{Objective::Kind::kMeanCompletion, 0}, Objective{Objective::Kind::kDeadline, 800}}) {
    problem.objective = objective;
    SolveOptions options;
    options.time_limit = Seconds(0);
    options.threads = 2;
    CHECK(test::text_of(check_plan(problem, solve(problem, options))) == "");
  }
}

}  // namespace
}  // namespace saturn::objective_test
