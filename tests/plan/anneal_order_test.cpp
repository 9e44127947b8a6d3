// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <doctest/doctest.h>
#include <string>

#include "many.h"
#include "plan/fixtures.h"
#include "plan/model/search.h"
#include "plan/random_problems.h"

namespace saturn::anneal_order_test {
namespace {

using test::many;
using test::RandomInstances;
using test::RandomProblems;

constexpr int kStyles = 6;  ///< rounds until they repeat themselves with other random numbers
const Deadline kNoDeadline = Deadline::in(Seconds(1e6));

/// The best plan of a search, as `solve` would return it.
Plan plan_of(const Problem& problem, const Search& search) {
  Plan plan;
  for (const Placement& placed : decode(search.instance(), search.best())) {
    const ProblemTask& task = problem.tasks.at(static_cast<size_t>(placed.task));
    const Configuration& configuration =
        placed.configuration == kStays ? task.running->staying
                                       : task.configurations.at(static_cast<size_t>(placed.configuration));
    Assignment line;
    line.task = task.name;
    line.parallelism = configuration.parallelism;
    line.knobs = configuration.knobs;
    line.node = problem.nodes.at(static_cast<size_t>(placed.node)).name;
    line.devices = placed.devices;
    line.start_seconds = static_cast<double>(placed.start) / 1000;
    line.duration_seconds = static_cast<double>(placed.duration) / 1000;
    plan.assignments.push_back(line);
  }
  sort_assignments(plan);
  plan.makespan_seconds = static_cast<double>(search.makespan()) / 1000;
  return plan;
}

/// One round, from what is constructed; `effort` steps.
Sequences after_a_round(const Instance& instance, std::uint64_t seed, int round, std::int64_t effort) {
  Search search(instance, seed, 0);
  construct(search, kNoDeadline);
  anneal_order(search, kNoDeadline, effort, round);
  return search.best();
}

bool same(const Sequences& a, const Sequences& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& left, const auto& right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(), [](const Slot& x, const Slot& y) {
      return x.task == y.task && x.option.same_shape(y.option);
    });
  });
}

TEST_CASE("Annealing of the order leaves a valid plan that ends no later than the one it began with") {
  RandomInstances instances(31);
  int better = 0, tried = 0;
  for (int i = 0; i < many(200); ++i) {
    Problem problem = instances.next(4, 8, 30);
    if (i % 2 == 0) instances.pin_some(problem);
    const Instance instance = make_instance(problem);
    if (!instance.regular) continue;
    Search search(instance, 0, 0);
    bound_by_area(search);
    construct(search, kNoDeadline);
    const Millis begun = search.makespan();
    anneal_order(search, kNoDeadline, 100000, i);
    CAPTURE(i);
    CHECK(test::text_of(check_plan(problem, plan_of(problem, search))) == "");
    CHECK(search.makespan() <= begun);
    CHECK(search.makespan() >= search.bound());
    ++tried;
    better += search.makespan() < begun ? 1 : 0;
  }
  CHECK(tried > many(200) / 2);
  CHECK(better > many(200) / 5);
}

/// Rounds until the optimum, at most two of each style; whether it was reached.
bool reaches(Millis best, const Problem& problem, Search& search) {
  for (int round = 0; round < 2 * kStyles && search.makespan() > best; ++round)
    anneal_order(search, kNoDeadline, 20000, round);
  CHECK(search.makespan() >= best);
  CHECK(test::text_of(check_plan(problem, plan_of(problem, search))) == "");
  return search.makespan() == best;
}

TEST_CASE(
    "Annealing of the order finds the optimum of tiny problems, gangs that run and pinned nodes or not") {
  RandomProblems problems(32);
  int improved = 0;
  for (int i = 0; i < many(400); ++i) {
    Problem problem = problems.next(i % 2 == 1);
    if (i % 4 == 2) problem.tasks.front().pin = Pin{.node = static_cast<int>(problem.nodes.size()) - 1};
    if (i % 4 == 3) problems.run_some(problem);
    const auto best = static_cast<Millis>(test::least_makespan(problem) * 1000 + 0.5);
    const Instance instance = make_instance(problem);
    Search search(instance, 0, 0);
    construct(search, kNoDeadline);
    improved += search.makespan() > best ? 1 : 0;
    CAPTURE(i);
    CHECK(reaches(best, problem, search));
  }
  CHECK(improved > 0);
}

TEST_CASE("The same seed and round give the same plan, and others look elsewhere") {
  RandomInstances instances(33);
  int seeds = 0, rounds = 0;
  for (int i = 0; i < 12; ++i) {
    const Instance instance = make_instance(instances.next(3, 8, 40));
    const Sequences first = after_a_round(instance, 1, i, 50000);
    CHECK(same(after_a_round(instance, 1, i, 50000), first));
    seeds += same(after_a_round(instance, 2, i, 50000), first) ? 0 : 1;
    rounds += same(after_a_round(instance, 1, i + kStyles, 50000), first) ? 0 : 1;
  }
  CHECK(seeds > 0);
  CHECK(rounds > 0);
}

TEST_CASE("Annealing of the order takes the work it is given, and no more when it is told to stop") {
  RandomInstances instances(34);
  Instance instance;
  while (instance.tasks.size() < 20) instance = make_instance(instances.next(3, 8, 40));
  Search search(instance, 0, 0);
  construct(search, kNoDeadline);
  Work work{1000000, true};
  anneal_order(search, Deadline::in(Seconds(1e6), nullptr, &work), 100000, 1);
  CHECK(work.left <= 900000);
  CHECK(work.left > 890000);
  anneal_order(search, Deadline::in(Seconds(1e6), nullptr, &work), 100000000, 1);
  CHECK(work.left <= 0);
  CHECK(work.left > -10000);

  const std::atomic<bool> cancelled{true};
  Work rest{1000000, true};
  anneal_order(search, Deadline::in(Seconds(1e6), &cancelled, &rest), 100000000, 2);
  CHECK(rest.left > 990000);
}

TEST_CASE("Where there is nothing to order nothing is annealed") {
  Problem problem;
  problem.nodes = {test::node("n", 2)};
  problem.tasks = {test::task("t", {})};
  problem.tasks[0].running = Running{0, {0}, {"ddp", {}, "cpu", 1, 3}};
  const Instance instance = make_instance(problem);
  Search search(instance, 0, 0);
  construct(search, kNoDeadline);
  anneal_order(search, kNoDeadline, 1000, 0);
  CHECK(search.makespan() == 3000);
}

}  // namespace
}  // namespace saturn::anneal_order_test
