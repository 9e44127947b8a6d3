// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <string>

#include "base/error.h"
#include "plan/fixtures.h"
#include "plan/solve.h"

namespace saturn::running_test {
namespace {

using test::node;
using test::task;

const SolveOptions kNoLimit{.time_limit = Seconds(3600)};

const Assignment& line_of(const Plan& plan, const std::string& name) {
  for (const Assignment& line : plan.assignments)
    if (line.task == name) return line;
  FAIL("no line of " << name);
  return plan.assignments.front();
}

/// Runs on these devices of the first node, with so much left.
ProblemTask running(ProblemTask task, std::vector<int> devices, double seconds) {
  const int count = static_cast<int>(devices.size());
  task.running = Running{0, std::move(devices), {"ddp", {}, "cpu", count, seconds}};
  return task;
}

std::string error_of(const Problem& problem) {
  try {
    (void)solve(problem, kNoLimit);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST_CASE("What runs stays on its devices when that is best") {
  Problem problem;
  problem.nodes = {node("n0", 2)};
  problem.tasks = {running(task("a", {{1, 12}, {2, 8}}), {1}, 10), task("b", {{1, 9}})};
  const Plan plan = solve(problem, kNoLimit);
  CHECK(plan.makespan_seconds == 10);
  CHECK(plan.lower_bound_seconds == 10);
  CHECK(line_of(plan, "a").devices == std::vector<int>{1});
  CHECK(line_of(plan, "a").start_seconds == 0);
  CHECK(line_of(plan, "a").duration_seconds == 10);
  CHECK(stays(problem, line_of(plan, "a")));
  CHECK_FALSE(stays(problem, line_of(plan, "b")));
}

TEST_CASE("What runs moves when the switch pays, and pays for it") {
  Problem problem;
  problem.nodes = {node("n0", 2)};
  problem.tasks = {running(task("a", {{1, 12}, {2, 8}}), {1}, 10)};
  const Plan plan = solve(problem, kNoLimit);
  CHECK(plan.makespan_seconds == 8);
  CHECK(plan.lower_bound_seconds == 8);
  CHECK(line_of(plan, "a").devices == std::vector<int>{0, 1});
  CHECK_FALSE(stays(problem, line_of(plan, "a")));
}

TEST_CASE("A gang can stay from now on only, not later") {
  // b needs both devices for 4 s. If a stays, b waits for 10 s; if b goes first, a starts anew: 4 + 12.
  Problem problem;
  problem.nodes = {node("n0", 2)};
  problem.tasks = {running(task("a", {{1, 12}}), {0}, 10), task("b", {{2, 4}})};
  CHECK(solve(problem, kNoLimit).makespan_seconds == 14);
  problem.tasks[1].pin = Pin{0, 0, {0, 1}, 0.0};
  const Plan plan = solve(problem, kNoLimit);
  CHECK(plan.makespan_seconds == 16);
  CHECK(plan.lower_bound_seconds == 16);
}

TEST_CASE("A gang can stay as what is no configuration of its task, or can do nothing else") {
  Problem problem;
  problem.nodes = {node("n0", 2)};
  problem.tasks = {running({"a", {}, std::nullopt}, {0}, 10), task("b", {{2, 4}})};
  problem.tasks[0].running->staying.parallelism = "pipeline";
  const Plan plan = solve(problem, kNoLimit);
  CHECK(plan.makespan_seconds == 14);
  CHECK(line_of(plan, "a").parallelism == "pipeline");
}

TEST_CASE("A known plan in which gangs stay is gone on from") {
  Problem problem;
  problem.nodes = {node("n0", 2)};
  problem.tasks = {running(task("a", {{1, 12}}), {0}, 10), task("b", {{1, 3}})};
  Plan known = solve(problem, kNoLimit);
  known.method = "by hand";
  known.lower_bound_seconds = 0;
  CHECK(solve(problem, {.time_limit = Seconds(0), .incumbent = &known}).method == "by hand");
}

TEST_CASE("A line that says to stay is checked as such") {
  Problem problem;
  problem.nodes = {node("n0", 2), node("n1", 2)};
  problem.tasks = {running(task("a", {{1, 12}}), {0}, 10)};
  Plan plan = solve(problem, kNoLimit);
  REQUIRE(test::text_of(check_plan(problem, plan)) == "");
  const Plan good = plan;
  const auto errors_with = [&](auto change) {
    Plan changed = good;
    change(changed.assignments[0]);
    changed.makespan_seconds = changed.assignments[0].end_seconds();
    changed.lower_bound_seconds = 0;
    return test::text_of(check_plan(problem, changed));
  };
  const std::string wrong = "error: task 'a': duration_seconds is 10.0 s, but ddp on 1 x cpu takes 12.0 s\n";
  CHECK(errors_with([](Assignment& line) { line.devices = {1}; }) == wrong);
  CHECK(errors_with([](Assignment& line) { line.node = "n1"; }) == wrong);
  CHECK(errors_with([](Assignment& line) { line.start_seconds = 1; }) == wrong);
  CHECK(errors_with([](Assignment& line) { line.duration_seconds = 12; }) == "");  // starts anew
  problem.tasks[0].configurations.clear();
  CHECK(
      errors_with([](Assignment& line) { line.start_seconds = 1; }) ==
      "error: task 'a' was not measured as ddp on 1 x cpu; it was as ddp on 1 x cpu for 10.0 s from 0 s on, "
      "staying on device 0 of node 'n0'\n");
}

TEST_CASE("A plan made whole gives a gang that stays what is left of it") {
  Problem problem;
  problem.nodes = {node("n0", 2)};
  problem.tasks = {running(task("a", {{1, 12}}), {0}, 10), task("b", {{1, 3}})};
  Plan plan;
  plan.assignments = {{.task = "a", .parallelism = "ddp", .knobs = {}, .node = "n0", .devices = {0}},
                      {.task = "b", .parallelism = "ddp", .knobs = {}, .node = "n0", .devices = {0}}};
  for (Assignment& line : plan.assignments) line.start_known = line.duration_known = false;
  Plan other = plan;
  complete(problem, plan);
  CHECK(plan.makespan_seconds == 13);
  std::swap(other.assignments[0], other.assignments[1]);
  complete(problem, other);  // b comes first: a starts anew
  CHECK(other.makespan_seconds == 15);
}

TEST_CASE("What is wrong with gangs that run is told") {
  Problem problem;
  problem.nodes = {node("n0", 2)};
  problem.tasks = {running(task("a", {{1, 12}}), {0}, 10), running(task("b", {{1, 12}}), {0}, 10)};
  CHECK(error_of(problem) == "error: task 'b' runs on device 0 of node 'n0', but so does task 'a'");
  problem.tasks.pop_back();
  problem.nodes[0].free_at_seconds[0] = 2;
  CHECK(error_of(problem) == "error: task 'a' runs on device 0 of node 'n0', which is in use until 2 s");
  problem.nodes[0].free_at_seconds[0] = 0;
  problem.tasks[0].running->devices = {0, 1};
  CHECK(error_of(problem) == "error: task 'a' runs on 2 x cpu, but stays on 1 x cpu");
  problem.tasks[0].running->devices = {2};
  CHECK(error_of(problem) == "error: task 'a' runs on device 2 of node 'n0', which has 2");
  problem.tasks[0].running->node = 1;
  CHECK(error_of(problem) == "error: task 'a' runs on node 1, but there are 1");
  problem.tasks[0].running = {0, {0}, {"ddp", {}, "cpu", 1, -1}};
  CHECK(error_of(problem) == "error: task 'a' takes -1 s where it runs; that is between 0 and 1000000000 s");
  problem.tasks[0] = running({"a", {}, std::nullopt}, {0}, 10);
  problem.tasks.push_back(task("b", {{1, 5}}));
  problem.tasks[1].pin = Pin{0, 0, {0}, 3.0};
  CHECK(error_of(problem) ==
        "error: task 'a' can only stay where it runs, but other tasks are pinned to its devices");
}

}  // namespace
}  // namespace saturn::running_test
