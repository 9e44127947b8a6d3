// SPDX-License-Identifier: Apache-2.0
#include "plan/methods/best_fit.h"

#include <algorithm>
#include <doctest/doctest.h>
#include <limits>
#include <random>

#include "plan/fixtures.h"
#include "plan/random_problems.h"

namespace saturn::best_fit_test {
namespace {

using test::node;
using test::task;

constexpr double kAnyLateness = std::numeric_limits<double>::infinity();

TEST_CASE("A gang takes the latest-freed devices; what they stay idle is told before") {
  std::vector<Millis> free{0, 5, 5, 9};
  CHECK(idle_before(free, 2) == 0);  // the two of 5
  CHECK(idle_before(free, 3) == 5);
  CHECK(idle_before(free, 4) == 17);
  CHECK(place_gang(free, 2, 3) == 8);
  CHECK(free == std::vector<Millis>{0, 8, 8, 9});
}

TEST_CASE("Best fit takes the way of least waste that ends by the goal, else the earliest end") {
  Problem problem;
  problem.nodes = {node("a", 2), node("b", 4)};
  problem.nodes[1].free_at_seconds = {0, 0, 0, 1};
  problem.tasks = {task("wide", {{3, 2}, {4, 1.4}}), task("narrow", {{1, 3}, {2, 1.6}})};
  const Instance instance = make_instance(problem);
  BestFit packer(instance, {});
  const std::vector<Turn> turns{{0}, {1}};

  const BestFit::Result roomy = packer.place(turns, 0, 4000, kAnyLateness);
  CHECK(roomy.finish == 3000);
  CHECK(roomy.late == 0);
  Sequences sequences = packer.sequences();
  CHECK(sequences[0].at(0).option.devices == 1);  // 3 device-seconds; 3.2 as a pair
  CHECK(sequences[1].at(0).option.devices == 3);

  const BestFit::Result tight = packer.place(turns, 0, 1700, kAnyLateness);
  CHECK(packer.sequences()[0].at(0).option.devices == 2);
  CHECK(tight.finish == 2000);  // the wide one as 4 would start at 1 s
  CHECK(tight.late == 3 * 300);
  CHECK(packer.place(turns, 0, 1000, 0).late > 0);
}

TEST_CASE("What is decided about a task is kept to, unless it cannot be") {
  Problem problem;
  problem.nodes = {node("a", 2), node("b", 4)};
  problem.tasks = {task("t", {{1, 3}, {2, 1.6}, {4, 1}})};
  const Instance instance = make_instance(problem);
  BestFit packer(instance, {});
  const auto placed = [&](const Turn& turn) {
    packer.place({turn}, 0, 10000, kAnyLateness);
    const Sequences sequences = packer.sequences();
    const size_t on = sequences[0].empty() ? 1 : 0;
    return std::pair{on, sequences[on].at(0).option.devices};
  };
  CHECK(placed({0}) == std::pair{size_t{0}, 1});
  CHECK(placed({0, 1}) == std::pair{size_t{1}, 1});
  CHECK(placed({0, 0, 2}) == std::pair{size_t{0}, 2});
  CHECK(placed({0, -1, 4}) == std::pair{size_t{1}, 4});
  CHECK(placed({0, 0, 4}) == std::pair{size_t{0}, 1});  // there is no such way on that node
}

TEST_CASE("Best fit tells the truth about its schedule, and goes on from the one it kept") {
  test::RandomProblems problems(5);
  std::mt19937_64 random(7);
  for (int round = 0; round < 500; ++round) {
    const Instance instance = make_instance(problems.next(round % 2 == 0));
    BestFit packer(instance, {});
    std::vector<Turn> turns = turns_by(instance, TurnOrder::kWidth);
    const Millis goal = 500 + static_cast<Millis>(random() % 8000);
    packer.place(turns, 0, goal, kAnyLateness);
    packer.keep();
    const size_t from = random() % turns.size();
    std::shuffle(turns.begin() + static_cast<std::ptrdiff_t>(from), turns.end(), random);
    const BestFit::Result result = packer.place(turns, from, goal, kAnyLateness);
    const Sequences sequences = packer.sequences();
    Millis finish = 0;
    size_t placed = 0;
    for (size_t n = 0; n < sequences.size(); ++n) {
      finish = std::max(finish, finish_of(instance, static_cast<int>(n), sequences[n]).finish);
      placed += sequences[n].size();
    }
    CHECK(placed == instance.tasks.size());
    CHECK(result.finish == finish);
    CHECK((result.late == 0) == (finish <= goal));
    BestFit fresh(instance, {});
    fresh.place(turns, 0, goal, kAnyLateness);
    const Sequences anew = fresh.sequences();
    for (size_t n = 0; n < sequences.size(); ++n)
      CHECK(std::equal(
          sequences[n].begin(), sequences[n].end(), anew[n].begin(), anew[n].end(),
          [](const Slot& a, const Slot& b) { return a.task == b.task && a.option.same_shape(b.option); }));
  }
}

TEST_CASE("A thousand tasks on 32 nodes are planned within half a percent of the bound before any search") {
  Problem problem;
  for (int n = 0; n < 32; ++n) problem.nodes.push_back(node("n" + std::to_string(n), 8));
  std::mt19937_64 random(3);
  for (int t = 0; t < 1000; ++t) {
    const double alone = 100 + static_cast<double>(random() % 2000);
    std::vector<std::pair<int, double>> configurations;
    for (int devices = 1 + static_cast<int>(random() % 6); devices <= 8; ++devices)
      configurations.emplace_back(devices, alone * (0.1 + 0.9 / devices));
    problem.tasks.push_back(task("t" + std::to_string(t), configurations));
  }
  const Instance instance = make_instance(problem);
  Search search(instance, 0, 0);
  bound_by_area(search);
  construct(search, Deadline::in(Seconds(1e6)));
  CHECK(static_cast<double>(search.makespan()) <= 1.005 * static_cast<double>(search.bound()));
}

}  // namespace
}  // namespace saturn::best_fit_test
