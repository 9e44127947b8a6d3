// SPDX-License-Identifier: Apache-2.0
#include "plan/within_budget.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <doctest/doctest.h>

#include "many.h"
#include "plan/fixtures.h"
#include "plan/random_problems.h"

namespace saturn::within_budget_test {
namespace {

using test::Measures;
using test::node;
using test::task;

SolveOptions with_work(std::int64_t work) {
  SolveOptions options;
  options.time_limit = Seconds(3600);
  options.work = work;
  return options;
}

size_t ends(const Plan& plan, const Budget& budget) {
  return ending_within(plan, budget).size();
}

std::set<std::string> beyond(const Plan& plan) {
  std::set<std::string> names;
  for (const Assignment& line : plan.assignments)
    if (line.beyond_budget) names.insert(line.task);
  return names;
}

/// The most tasks that can end within the budget, by trying every set of them.
int most_tasks(const Problem& problem) {
  const auto millis = [](double seconds) {
    return std::isfinite(seconds) ? std::lround(seconds * 1000) : 1L << 60;
  };
  const long deadline = millis(problem.budget.seconds);
  const long area = millis(problem.budget.device_seconds);
  int most = 0;
  for (unsigned set = 1; set < 1U << problem.tasks.size(); ++set) {
    if (std::popcount(set) <= most) continue;
    Problem part = problem;
    part.tasks.clear();
    for (size_t t = 0; t < problem.tasks.size(); ++t)
      if ((set >> t & 1U) != 0) part.tasks.push_back(problem.tasks[t]);
    const Measures best = test::best_measures(part, [&](const Measures& m) {
      return test::MeasureKey{std::max(0L, m.makespan - deadline), m.area, 0};
    });
    if (best.makespan <= deadline && best.area <= area) most = std::popcount(set);
  }
  return most;
}

TEST_CASE("what ends within a budget by a plan's lines") {
  Plan plan;
  const auto line = [&](const char* name, double start, double seconds, int devices) {
    Assignment& added = plan.assignments.emplace_back();
    added.task = name;
    added.devices.resize(static_cast<size_t>(devices));
    added.start_seconds = start;
    added.duration_seconds = seconds;
    plan.makespan_seconds = std::max(plan.makespan_seconds, added.end_seconds());
  };
  line("a", 0, 10, 1);
  line("b", 0, 20, 2);
  line("c", 10, 20, 1);
  CHECK(ends(plan, {}) == 3);
  CHECK(fits(plan, {30, 70}));
  CHECK_FALSE(fits(plan, {29, 70}));
  CHECK_FALSE(fits(plan, {30, 69}));
  CHECK(ending_within(plan, {20, 1e9}) == std::set<std::string>{"a", "b"});
  CHECK(ending_within(plan, {0, 1e9}).empty());
  CHECK(ending_within(plan, {-1, -1}).empty());
  // All three devices are paid for until device time is out, whoever ends: 30 until 10 s, 60 until 20 s.
  CHECK(ending_within(plan, {1e9, 29}).empty());
  CHECK(ending_within(plan, {1e9, 30}) == std::set<std::string>{"a"});
  CHECK(ending_within(plan, {1e9, 60}) == std::set<std::string>{"a", "b"});
  // What is beyond the budget takes nothing from the others.
  plan.assignments[2].beyond_budget = true;
  CHECK(ending_within(plan, {1e9, 50}) == std::set<std::string>{"a", "b"});
  CHECK(ends(plan, {}) == 2);
}

TEST_CASE("a budget that everything fits changes nothing") {
  test::RandomProblems problems(7);
  for (int i = 0; i < test::many(50); ++i) {
    Problem problem = problems.next(false);
    const Plan without = solve(problem, with_work(200'000));
    problem.budget = {without.makespan_seconds, device_seconds(without)};
    const Plan within = solve(problem, with_work(200'000));
    CAPTURE(i);
    CHECK(within.makespan_seconds <= without.makespan_seconds + 1e-6);
    CHECK(device_seconds(within) <= device_seconds(without) + 1e-6);
    CHECK(beyond(within).empty());
    CHECK(within.budget == problem.budget);
  }
}

TEST_CASE("where device time alone is short, tasks run with fewer devices") {
  Problem problem;
  problem.nodes = {node("n0", 4)};
  for (const char* name : {"a", "b"}) problem.tasks.push_back(task(name, {{1, 40}, {4, 15}}));
  CHECK(solve(problem, with_work(100'000)).makespan_seconds == 30);
  problem.budget.device_seconds = 100;
  const Plan plan = solve(problem, with_work(100'000));
  CHECK(plan.makespan_seconds == 40);
  CHECK(device_seconds(plan) == 80);
  CHECK(beyond(plan).empty());
}

TEST_CASE("the shortest end within the budget, and the others use what they leave") {
  Problem problem;
  problem.nodes = {node("n0", 2)};
  for (int t = 0; t < 6; ++t) problem.tasks.push_back(task("t" + std::to_string(t), {{1, 10.0 * (t + 1)}}));
  problem.budget.seconds = 40;  // 10 + 30 and 20 on two devices; then t3 has 20 s
  const Plan plan = solve(problem, with_work(500'000));
  CHECK(test::text_of(check_plan(problem, plan)) == "");
  CHECK(ending_within(plan, problem.budget) == std::set<std::string>{"t0", "t1", "t2"});
  CHECK(beyond(plan) == std::set<std::string>{"t3", "t4", "t5"});
  double last[2] = {0, 0};
  for (const Assignment& line : plan.assignments) {
    CHECK(line.start_seconds == doctest::Approx(last[line.devices.at(0)]));  // no device waits
    last[line.devices.at(0)] = line.end_seconds();
  }
  const Plan read = parse_plan("plan.json", to_text(plan));
  CHECK(beyond(read) == beyond(plan));
  CHECK(read.budget == plan.budget);
}

TEST_CASE("two narrow tasks end in place of a wide one that is shorter") {
  Problem problem;
  problem.nodes = {node("n0", 2)};
  problem.tasks = {task("wide", {{2, 2}}), task("a", {{1, 9}}), task("b", {{1, 9}})};
  problem.budget.seconds = 10;
  CHECK(ending_within(solve(problem, with_work(500'000)), problem.budget) == std::set<std::string>{"a", "b"});
}

TEST_CASE("no budget at all: everything is beyond it, and planned nevertheless") {
  Problem problem;
  problem.nodes = {node("n0", 2)};
  problem.tasks = {task("a", {{1, 9}}), task("b", {{2, 9}})};
  for (const Budget& budget : {Budget{-5, 100}, Budget{100, -5}, Budget{0, 0}, Budget{1, 1}}) {
    problem.budget = budget;
    const Plan plan = solve(problem, with_work(100'000));
    CHECK(test::text_of(check_plan(problem, plan)) == "");
    CHECK(ends(plan, budget) == 0);
    CHECK(plan.assignments.size() == 2);
  }
}

TEST_CASE("a gang that runs and is not to end gives way where its devices are needed, else it stays") {
  Problem problem;
  problem.nodes = {node("n0", 2)};
  problem.tasks = {task("long", {{1, 105}}), task("a", {{1, 10}}), task("b", {{1, 10}})};
  problem.tasks[0].running = Running{0, {1}, {"ddp", {}, "cpu", 1, 100}};
  problem.budget.seconds = 24;  // both short ones fit on one device
  const Plan beside = solve(problem, with_work(500'000));
  CHECK(test::text_of(check_plan(problem, beside)) == "");
  CHECK(ends(beside, problem.budget) == 2);
  problem.budget.seconds = 12;  // they need both
  const Plan plan = solve(problem, with_work(500'000));
  CHECK(test::text_of(check_plan(problem, plan)) == "");
  CHECK(ends(plan, problem.budget) == 2);
  for (const Assignment& line : plan.assignments)
    if (line.task == "long") CHECK(line.start_seconds == 10);
}

TEST_CASE("what is pinned stays, whatever the budget") {
  Problem problem;
  problem.nodes = {node("n0", 1)};
  problem.tasks = {task("long", {{1, 30}}), task("a", {{1, 10}}), task("b", {{1, 10}})};
  problem.tasks[0].pin = Pin{.configuration = 0, .node = 0, .devices = {0}, .start_seconds = 0.0};
  problem.budget.seconds = 45;
  const Plan plan = solve(problem, with_work(200'000));
  CHECK(test::text_of(check_plan(problem, plan)) == "");
  CHECK(ends(plan, problem.budget) == 2);
  CHECK_FALSE(beyond(plan).contains("long"));
  problem.budget.seconds = 20;  // it does not even end itself
  CHECK(test::text_of(check_plan(problem, solve(problem, with_work(200'000)))) == "");
}

TEST_CASE("as many tasks end within the budget as brute force finds") {
  test::RandomProblems problems(5);
  int all = 0, most = 0;
  for (int i = 0; i < test::many(200); ++i) {
    Problem problem = problems.next(i % 4 == 3);
    if (i % 5 == 4) problems.run_some(problem);
    const bool some_must_stay = std::any_of(problem.tasks.begin(), problem.tasks.end(),
                                            [](const ProblemTask& it) { return it.configurations.empty(); });
    if (some_must_stay) continue;
    const Plan without = solve(problem, with_work(50'000));
    const double share = 0.15 + 0.1 * (i % 8);
    if (i % 3 != 1) problem.budget.seconds = std::round(1000 * share * without.makespan_seconds) / 1000;
    if (i % 3 != 0) problem.budget.device_seconds = std::round(1000 * share * device_seconds(without)) / 1000;
    const Plan plan = solve(problem, with_work(300'000));
    const auto found = static_cast<int>(ends(plan, problem.budget));
    const int possible = most_tasks(problem);
    CAPTURE(i);
    CHECK(test::text_of(check_plan(problem, plan)) == "");
    CHECK(found <= possible);
    CHECK(found >= possible - 1);
    ++all;
    most += found == possible ? 1 : 0;
  }
  CHECK(most * 100 >= all * 98);
}

}  // namespace
}  // namespace saturn::within_budget_test
