// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>

#include "base/error.h"
#include "many.h"
#include "plan/bounds/lane_program.h"
#include "plan/bounds/width_program.h"
#include "plan/fixtures.h"
#include "plan/methods/exact.h"
#include "plan/methods/refill.h"
#include "plan/random_problems.h"
#include "plan/solve.h"

namespace saturn::random_running_test {
namespace {

using test::many;
using test::RandomProblems;

const Deadline kNoDeadline = Deadline::in(Seconds(1e6));

SolveOptions work(std::int64_t steps) {
  return {.time_limit = Seconds(3600), .work = steps};
}

bool stays_in(const Problem& problem, const Plan& plan, const std::string& task) {
  return std::any_of(plan.assignments.begin(), plan.assignments.end(),
                     [&](const Assignment& line) { return line.task == task && stays(problem, line); });
}

TEST_CASE("With gangs that run, plans of 600 tiny random problems are the optimum, and say so") {
  RandomProblems problems(21);
  int staying = 0, moving = 0;
  for (int i = 0; i < many(600); ++i) {
    Problem problem = problems.next(i % 2 == 1);
    problems.run_some(problem);
    const double best = test::least_makespan(problem);
    const Plan plan = solve(problem, work(20000000));
    CAPTURE(i);
    CHECK(plan.makespan_seconds == doctest::Approx(best).epsilon(1e-9));
    CHECK(plan.lower_bound_seconds == doctest::Approx(best).epsilon(1e-9));
    CHECK(test::text_of(check_plan(problem, plan)) == "");
    for (const ProblemTask& it : problem.tasks)
      if (it.running) ++(stays_in(problem, plan, it.name) ? staying : moving);
  }
  CHECK(staying > many(600) / 3);
  CHECK(moving > many(600) / 12);
}

TEST_CASE("With gangs that run, CBC as the only master proves the optimum; no bound refutes it") {
  RandomProblems problems(22);
  for (int i = 0; i < many(80); ++i) {
    Problem problem = problems.next(i % 2 == 1);
    problems.run_some(problem);
    const auto best = static_cast<Millis>(test::least_makespan(problem) * 1000 + 0.5);
    const Instance instance = make_instance(problem);
    CAPTURE(i);
    CHECK_FALSE(LaneProgram(instance).refutes(best, kNoDeadline));
    CHECK_FALSE(WidthProgram(instance).refutes(best, kNoDeadline));
    for (const bool together : {false, true})
      CHECK(solve_milp(make_master(instance, best, together, {}).milp, {Seconds(20), false, {}}).status ==
            MilpStatus::kOptimal);
    Search search(instance, 0, 0);
    construct(search, kNoDeadline);
    Exact(search, 0).run(kNoDeadline);
    CHECK(search.makespan() == best);
    CHECK(search.bound() == best);
  }
}

TEST_CASE("With gangs that run and pins no bound is above the optimum and no plan below it") {
  RandomProblems problems(23);
  int optimal = 0, running = 0;
  for (int i = 0; i < many(300); ++i) {
    Problem problem = problems.next(i % 2 == 1);
    problems.pin_some(problem);
    problems.run_some(problem);
    for (ProblemTask& it : problem.tasks)
      if (it.configurations.empty()) it.pin.reset();
    CAPTURE(i);
    double best = 0;
    Plan plan;
    try {
      plan = solve(problem, work(3000000));
    } catch (const InputError& error) {
      // A gang that can do nothing but stay, and a pin in its way.
      CHECK(std::string(error.what()).find("can only stay") != std::string::npos);
      continue;
    }
    best = test::least_makespan(problem);
    CHECK(plan.lower_bound_seconds <= best + 1e-9);
    CHECK(plan.makespan_seconds >= best - 1e-9);
    CHECK(test::text_of(check_plan(problem, plan)) == "");
    optimal += plan.makespan_seconds <= best + 1e-9 ? 1 : 0;
    for (const ProblemTask& it : problem.tasks) running += it.running ? 1 : 0;
  }
  CHECK(optimal > many(300) * 9 / 10);
  CHECK(running > many(300) / 2);
}

TEST_CASE("With gangs that run, other objectives have bounds that hold") {
  RandomProblems problems(24);
  for (int i = 0; i < many(100); ++i) {
    Problem problem = problems.next(i % 2 == 1);
    problems.run_some(problem);
    CAPTURE(i);
    const auto soonest = test::best_measures(problem, [](const test::Measures& m) {
      return test::MeasureKey{m.completions, 0, 0};
    });
    problem.objective = {Objective::Kind::kMeanCompletion, 0};
    const Plan early = solve(problem, work(3000000));
    const double mean =
        static_cast<double>(soonest.completions) / 1000 / static_cast<double>(problem.tasks.size());
    CHECK(early.objective_bound <= mean + 1e-6);
    CHECK(objective_value(early) >= mean - 1e-6);
    const double limit = test::least_makespan(problem) * 1.25;
    const auto cheapest = test::best_measures(problem, [&](const test::Measures& m) {
      return test::MeasureKey{std::max(0L, m.makespan - static_cast<long>(limit * 1000 + 1e-3)), m.area, 0};
    });
    problem.objective = {Objective::Kind::kDeadline, limit};
    const Plan cheap = solve(problem, work(20000000));
    CHECK(cheap.objective_bound <= static_cast<double>(cheapest.area) / 1000 + 1e-6);
    CHECK(objective_value(cheap) == doctest::Approx(static_cast<double>(cheapest.area) / 1000));
  }
}

TEST_CASE("Filling nodes anew keeps gangs where they run, or starts them anew") {
  RandomProblems problems(25);
  int better = 0;
  for (int i = 0; i < 60; ++i) {
    Problem problem = problems.next(i % 2 == 1);
    problems.run_some(problem);
    const double best = test::least_makespan(problem);
    const Instance instance = make_instance(problem);
    Search search(instance, 0, 0);
    construct(search, kNoDeadline);
    const Millis before = search.makespan();
    Refill(search, 1).run(kNoDeadline, 200);
    CAPTURE(i);
    CHECK(static_cast<double>(search.makespan()) / 1000 >= best - 1e-9);
    better += search.makespan() < before ? 1 : 0;
  }
  CHECK(better > 0);
}

}  // namespace
}  // namespace saturn::random_running_test
