// SPDX-License-Identifier: Apache-2.0
#include "plan/baselines/baselines.h"

#include <doctest/doctest.h>
#include <random>

#include "plan/fixtures.h"
#include "plan/solve.h"

namespace saturn::baselines_test {
namespace {

using test::node;
using test::task;

const Plan& named(const std::vector<Baseline>& all, const std::string& name) {
  for (const Baseline& baseline : all)
    if (baseline.name == name) return baseline.plan;
  FAIL("no baseline ", name);
  return all.front().plan;
}

/// Two kinds of nodes, some busy at first; every task fits somewhere.
Problem random_problem(std::mt19937_64& random) {
  const auto up_to = [&](int most) { return 1 + static_cast<int>(random() % static_cast<unsigned>(most)); };
  Problem problem;
  problem.nodes = {node("n0", 1 + up_to(3)), node("n1", up_to(4)), node("n2", up_to(2), 0.5 * up_to(3))};
  problem.nodes[1].kind = "fast";
  for (int t = 0, count = up_to(12); t < count; ++t) {
    ProblemTask added = task("t" + std::to_string(t), {{up_to(2), 0.25 * up_to(40)}});
    for (int devices = 1; devices <= 4; ++devices)
      if (up_to(2) == 1) added.configurations.push_back({"fsdp", {}, "fast", devices, 0.25 * up_to(20)});
    problem.tasks.push_back(std::move(added));
  }
  return problem;
}

TEST_CASE("Every baseline of 200 random problems is a whole, valid plan, and none beats the lower bound") {
  std::mt19937_64 random(7);
  for (int i = 0; i < 200; ++i) {
    const Problem problem = random_problem(random);
    SolveOptions options;
    options.time_limit = Seconds(0);
    const double bound = solve(problem, options).lower_bound_seconds;
    const std::vector<Baseline> all = baselines(problem, static_cast<std::uint64_t>(i));
    REQUIRE(all.size() == 5);
    for (const Baseline& baseline : all) {
      CAPTURE(i);
      CAPTURE(baseline.name);
      CHECK(test::text_of(check_plan(problem, baseline.plan)) == "");
      CHECK(baseline.plan.makespan_seconds >= bound - 1e-9);
      CHECK(baseline.plan.baseline_seconds == all.front().plan.makespan_seconds);
    }
  }
}

TEST_CASE("Max takes wide configurations, min narrow ones; current practice gives a node away whole") {
  Problem problem;
  problem.nodes = {node("n0", 4)};
  problem.tasks = {task("a", {{1, 8.0}, {2, 5.0}, {4, 6.0}}), task("b", {{1, 4.0}, {2, 3.0}})};
  const std::vector<Baseline> all = baselines(problem, 0);
  const Plan& max = named(all, "max");
  CHECK(max.makespan_seconds == 9.0);  // a on 4 for 6 s, then b on 2 for 3 s
  CHECK(max.assignments[0].devices.size() == 4);
  CHECK(max.assignments[1].devices.size() == 2);
  CHECK(named(all, "min").makespan_seconds == 8.0);               // both on 1 from the start
  CHECK(named(all, "current practice").makespan_seconds == 8.0);  // a on 2 of 4 for 5 s, then b for 3 s
}

TEST_CASE("Optimus-greedy gives the next device to the task that gains most by it") {
  Problem problem;
  problem.nodes = {node("n0", 4)};
  problem.tasks = {task("a", {{1, 10.0}, {2, 5.0}, {4, 4.0}}), task("b", {{1, 10.0}, {2, 9.0}, {3, 2.0}})};
  // a gains 5 s by its second device, then b 1 s by its second; the last two rungs need more than is left.
  const std::vector<Baseline> all = baselines(problem, 0);
  const Plan& plan = named(all, "Optimus-greedy");
  CHECK(plan.makespan_seconds == 9.0);
  for (const Assignment& line : plan.assignments) {
    CAPTURE(line.task);
    CHECK(line.devices.size() == 2);
    CHECK(line.start_seconds == 0);
  }
}

TEST_CASE("The random baseline is another one under another seed, and the same under the same") {
  std::mt19937_64 random(3);
  Problem problem = random_problem(random);
  while (problem.tasks.size() < 10) problem = random_problem(random);
  const auto of = [&](std::uint64_t seed) {
    const std::vector<Baseline> all = baselines(problem, seed);
    return to_text(named(all, "random"));
  };
  CHECK(of(1) == of(1));
  CHECK(of(1) != of(2));
}

TEST_CASE("A task that fits nowhere is left out of every baseline") {
  Problem problem;
  problem.nodes = {node("n0", 2)};
  problem.tasks = {task("wide", {{4, 1.0}}), task("a", {{1, 1.0}})};
  for (const Baseline& baseline : baselines(problem, 0)) CHECK(baseline.plan.assignments.size() == 1);
}

}  // namespace
}  // namespace saturn::baselines_test
