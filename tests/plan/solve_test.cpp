// SPDX-License-Identifier: Apache-2.0
#include "plan/solve.h"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <random>
#include <set>
#include <thread>

#include "plan/baselines/baselines.h"
#include "plan/fixtures.h"
#include "plan/model/instance.h"
#include "plan/random_problems.h"

namespace saturn::solve_test {
namespace {

using test::node;
using test::RandomProblems;
using test::task;

SolveOptions within(double seconds) {
  SolveOptions options;
  options.time_limit = Seconds(seconds);
  return options;
}

/// Whether something is proven must not depend on how fast the build and the machine are.
const SolveOptions kNoLimit = within(3600);

std::string error_of(const Problem& problem) {
  try {
    (void)solve(problem, within(1));
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST_CASE("A sweep of 12 tasks on one node of 8 is proven optimal") {
  Problem problem;
  problem.nodes = {node("n0", 8)};
  for (int lr = 0; lr < 3; ++lr) {
    const std::string name = std::to_string(lr);
    problem.tasks.push_back(task("a" + name, {{1, 16.1}, {2, 8.7}, {4, 4.8}, {8, 2.9}}));
    problem.tasks.push_back(task("b" + name, {{1, 13.2}, {2, 7.4}, {4, 4.6}, {8, 3.1}}));
    problem.tasks.push_back(task("c" + name, {{2, 32.4}, {4, 17.8}, {8, 10.2}}));
    problem.tasks.push_back(task("d" + name, {{2, 24.2}, {4, 13.5}, {8, 7.9}}));
  }
  const Plan plan = solve(problem, kNoLimit);
  CHECK(plan.gap == 0);
  CHECK(plan.lower_bound_seconds == plan.makespan_seconds);
  CHECK(plan.assignments.size() == 12);
}

TEST_CASE("The same seed gives the same plan") {
  RandomProblems problems(3);
  const Problem problem = problems.next(true);
  CHECK(to_text(solve(problem, within(20))) == to_text(solve(problem, within(20))));
}

/// Too large for a proof within the work that the tests below allow.
Problem sweep_of_40(std::uint64_t seed = 9) {
  std::mt19937_64 random(seed);
  Problem problem;
  for (int n = 0; n < 3; ++n) problem.nodes.push_back(node("n" + std::to_string(n), 8));
  for (int t = 0; t < 40; ++t) {
    const double alone = 100 + static_cast<double>(random() % 4000);
    std::vector<std::pair<int, double>> configurations;
    for (int devices = 1; devices <= 8; ++devices)
      configurations.push_back(
          {devices, alone * (0.04 + 0.96 / devices) + static_cast<double>(random() % 20)});
    problem.tasks.push_back(task("t" + std::to_string(t), configurations));
  }
  return problem;
}

TEST_CASE("The same seed and the same work give the same plan, whatever the machine's speed and its cores") {
  const Problem problem = sweep_of_40();
  SolveOptions options = kNoLimit;
  options.work = 60000000;
  const Plan plan = solve(problem, options);
  CHECK(test::text_of(check_plan(problem, plan)) == "");
  CHECK(plan.gap > 0);  // the work ended it, not a proof
  options.threads = 3;
  CHECK(to_text(solve(problem, options)) == to_text(plan));
}

TEST_CASE("With gangs that run, too, the same seed and the same work give the same plan") {
  Problem problem = sweep_of_40();
  for (size_t t = 0; t < 6; ++t) {
    ProblemTask& task = problem.tasks[t];
    Configuration staying = task.configurations[3];
    staying.duration_seconds *= 0.5;
    const int first = t % 2 == 0 ? 0 : 4;
    task.running = Running{static_cast<int>(t / 2), {first, first + 1, first + 2, first + 3}, staying};
  }
  SolveOptions options = kNoLimit;
  options.work = 30000000;
  const Plan plan = solve(problem, options);
  CHECK(test::text_of(check_plan(problem, plan)) == "");
  CHECK(to_text(solve(problem, options)) == to_text(plan));
}

TEST_CASE("Best fit and both annealings have their turn, and find plans") {
  std::set<std::string> methods;
  SolveOptions options = kNoLimit;
  options.work = 30000000;
  options.on_progress = [&](const SolveProgress& now) { methods.insert(now.method); };
  for (std::uint64_t seed = 9; seed < 14; ++seed) (void)solve(sweep_of_40(seed), options);
  for (const char* method : {"best fit", "annealing", "annealing of the order"})
    CHECK(methods.contains(method));
}

TEST_CASE("More work does not make a plan worse") {
  const Problem problem = sweep_of_40();
  SolveOptions options = kNoLimit;
  double makespan = 1e9;
  for (const std::int64_t work : {100000, 1000000, 30000000}) {
    options.work = work;
    const Plan plan = solve(problem, options);
    CHECK(plan.makespan_seconds <= makespan);
    makespan = plan.makespan_seconds;
  }
}

TEST_CASE("With several threads tiny problems are solved as brute force solves them") {
  RandomProblems problems(4);
  SolveOptions options = kNoLimit;
  options.threads = 3;
  for (int i = 0; i < 100; ++i) {
    const Problem problem = problems.next(i % 2 == 1);
    const Plan plan = solve(problem, options);
    CAPTURE(i);
    CHECK(plan.makespan_seconds == doctest::Approx(test::least_makespan(problem)).epsilon(1e-9));
    CHECK(plan.gap == 0);
  }
}

TEST_CASE("Several threads and a time limit: the plan is checked and the bound below it") {
  const Problem problem = sweep_of_40();
  SolveOptions options = within(0.5);
  options.threads = 3;
  const Plan plan = solve(problem, options);
  CHECK(test::text_of(check_plan(problem, plan)) == "");
  CHECK(plan.lower_bound_seconds <= plan.makespan_seconds);
}

TEST_CASE("A time limit of 0 still gives a plan with a bound") {
  Problem problem;
  problem.nodes = {node("n0", 2), node("n1", 4)};
  for (int t = 0; t < 40; ++t)
    problem.tasks.push_back(
        task("t" + std::to_string(t), {{1, 10 + t * 0.7}, {2, 6 + t * 0.4}, {4, 4 + t * 0.2}}));
  const Plan plan = solve(problem, within(0));
  CHECK(test::text_of(check_plan(problem, plan)) == "");
  CHECK(plan.lower_bound_seconds > 0);
  CHECK(plan.lower_bound_seconds <= plan.makespan_seconds);
}

TEST_CASE("A cancelled solve returns its best plan") {
  Problem problem;
  problem.nodes = {node("n0", 4), node("n1", 4), node("n2", 4)};
  for (int t = 0; t < 60; ++t)
    problem.tasks.push_back(
        task("t" + std::to_string(t), {{1, 10 + t * 0.77}, {2, 6 + t * 0.43}, {4, 4 + t * 0.21}}));
  std::atomic<bool> cancel{false};
  SolveOptions options = within(3600);
  options.cancel = &cancel;
  Plan plan;
  std::thread solver([&] { plan = solve(problem, options); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  cancel = true;
  solver.join();  // a solve that did not listen would hit the test's own time limit
  CHECK(test::text_of(check_plan(problem, plan)) == "");
}

TEST_CASE("A known plan is the start of the search") {
  Problem problem;
  problem.nodes = {node("n0", 2)};
  problem.tasks = {task("a", {{1, 4.0}}), task("b", {{1, 4.0}}), task("c", {{2, 1.0}})};
  Plan known = solve(problem, within(10));
  known.method = "earlier";
  SolveOptions options = within(0);
  options.incumbent = &known;
  const Plan plan = solve(problem, options);
  CHECK(plan.method == "earlier");
  CHECK(plan.makespan_seconds == 5.0);
}

TEST_CASE("Times of 0 and of a thousand million seconds are planned") {
  Problem problem;
  problem.nodes = {node("n0", 2)};
  problem.tasks = {task("instant", {{1, 0.0}}), task("eternal", {{1, 1e9}}), task("eternal too", {{1, 1e9}})};
  const Plan plan = solve(problem, within(5));
  CHECK(plan.makespan_seconds == doctest::Approx(1e9 + 0.001).epsilon(1e-15));
  CHECK(plan.gap == 0);
}

TEST_CASE("A problem without tasks has an empty plan") {
  Problem problem;
  problem.nodes = {node("n0", 2)};
  const Plan plan = solve(problem, within(1));
  CHECK(plan.assignments.empty());
  CHECK(plan.makespan_seconds == 0);
}

TEST_CASE("What makes a problem unsolvable is said for all tasks at once") {
  Problem problem;
  problem.nodes = {node("n0", 2), node("n1", 4)};
  problem.tasks = {task("wide", {{8, 1.0}, {16, 0.5}}), task("none", {})};
  CHECK(
      error_of(problem) ==
      "error: task 'wide' fits on no node: it needs 16 x cpu, 8 x cpu; there is 'n0' 2 x cpu, 'n1' 4 x cpu\n"
      "error: task 'none' has no configuration");
}

TEST_CASE("Times that are no times are refused") {
  Problem problem;
  problem.nodes = {node("n0", 2, -1)};
  problem.tasks = {task("nan", {{1, std::numeric_limits<double>::quiet_NaN()}}), task("long", {{1, 2e9}})};
  CHECK(error_of(problem) ==
        "error: node 'n0': a device is free at -1 s; that is between 0 and 1000000000 s\n"
        "error: node 'n0': a device is free at -1 s; that is between 0 and 1000000000 s\n"
        "error: task 'nan': ddp on 1 device(s) takes nan s; that is between 0 and 1000000000 s\n"
        "error: task 'long': ddp on 1 device(s) takes 2000000000 s; that is between 0 and 1000000000 s");
}

TEST_CASE("Times that add up to more than 64 bits hold are refused") {
  Problem problem;
  for (int n = 0; n < 100; ++n) problem.nodes.push_back(node("n" + std::to_string(n), 100));
  for (int t = 0; t < 10; ++t) problem.tasks.push_back(task("t" + std::to_string(t), {{100, 1e9}}));
  CHECK(error_of(problem) == "error: the tasks' durations add up to 1e+12 s, more than can be planned");
  problem.tasks.resize(3);  // 3e14 device-milliseconds, 10000 devices: still within them
  CHECK(solve(problem, within(1)).makespan_seconds == 1e9);
}

TEST_CASE("10000 tasks of which none are alike are planned, each a class of its own") {
  std::mt19937_64 random(11);
  Problem problem;
  for (int n = 0; n < 16; ++n) problem.nodes.push_back(node("n" + std::to_string(n), 8));
  for (int t = 0; t < 10000; ++t) {
    const double alone = 1000 + t + static_cast<double>(random() % 1000) / 1000;
    problem.tasks.push_back(task("t" + std::to_string(t), {{1, alone}, {2, alone * 0.55}, {4, alone * 0.3}}));
  }
  CHECK(make_instance(problem).classes.size() == 10000);
  SolveOptions options = kNoLimit;
  options.work = 1000000;
  const Plan plan = solve(problem, options);
  CHECK(test::text_of(check_plan(problem, plan)) == "");
  CHECK(plan.gap < 0.05);
}

TEST_CASE("A cluster without devices is refused") {
  Problem problem;
  problem.tasks = {task("a", {{1, 1.0}})};
  CHECK(error_of(problem) == "error: the cluster has no devices");
}

TEST_CASE("Pins that contradict each other are named") {
  Problem problem;
  problem.nodes = {node("n0", 2)};
  problem.tasks = {task("a", {{2, 4.0}}), task("b", {{1, 4.0}})};
  problem.tasks[0].pin = Pin{0, 0, {0, 1}, 1.0};
  problem.tasks[1].pin = Pin{0, 0, {1}, 3.0};
  CHECK(error_of(problem) ==
        "error: task 'b' is pinned to start at 3.000 s, but its devices are in use then by other pinned "
        "tasks: 'a'");
}

TEST_CASE("Pins that name what is not there are all reported") {
  Problem problem;
  problem.nodes = {node("n0", 2), node("n1", 2)};
  problem.tasks = {task("a", {{1, 4.0}}), task("b", {{1, 4.0}}), task("c", {{1, 4.0}}),
                   task("d", {{1, 4.0}})};
  problem.tasks[0].pin = Pin{3, {}, {}, {}};
  problem.tasks[1].pin = Pin{{}, 2, {}, {}};
  problem.tasks[2].pin = Pin{{}, 1, {0, 5}, {}};
  problem.tasks[3].pin = Pin{{}, {}, {0}, -2.0};
  CHECK(error_of(problem) ==
        "error: task 'a': pinned to configuration 3, but it has 1\n"
        "error: task 'b': pinned to node 2, but there are 2\n"
        "error: task 'c': pinned to device 5 of node 'n1', which has 2\n"
        "error: task 'c': pinned to 2 device(s), but no configuration it may use has as many\n"
        "error: task 'd': pinned to start at -2 s; a start is between 0 and 1000000000 s\n"
        "error: task 'd': devices are pinned, but not the node they are on");
}

TEST_CASE("The baseline gives each task its fastest configuration on a node of its own time") {
  Problem problem;
  problem.nodes = {node("n0", 2)};
  problem.tasks = {task("a", {{1, 4.0}, {2, 3.0}}), task("b", {{1, 4.0}, {2, 3.5}})};
  const Plan plan = whole_node_baseline(problem);
  CHECK(plan.makespan_seconds == 6.5);
  REQUIRE(plan.assignments.size() == 2);
  CHECK(plan.assignments[1].start_seconds == 3.0);
  CHECK(plan.assignments[1].devices == std::vector<int>{0, 1});
  CHECK(test::text_of(check_plan(problem, plan)) == "");
}

}  // namespace
}  // namespace saturn::solve_test
