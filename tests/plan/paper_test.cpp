// SPDX-License-Identifier: Apache-2.0
#include "plan/baselines/paper.h"

#include <doctest/doctest.h>
#include <random>

#include "base/error.h"
#include "plan/fixtures.h"

namespace saturn::paper_test {
namespace {

using test::node;
using test::task;

/// Whether something is proven must not depend on how fast the build and the machine are.
const SolveOptions kNoLimit{.time_limit = Seconds(600)};

class Tiny {
 public:
  explicit Tiny(std::uint64_t seed) : random_(seed) {}

  Problem next(bool releases, bool pins) {
    Problem problem;
    for (int n = 0, nodes = up_to(2); n < nodes; ++n) {
      problem.nodes.push_back(node("n" + std::to_string(n), up_to(3)));
      if (releases)
        for (double& free : problem.nodes.back().free_at_seconds) free = 0.5 * (up_to(4) - 1);
    }
    for (int t = 0, tasks = up_to(4); t < tasks; ++t) {
      std::vector<std::pair<int, double>> configurations{{1, 0.25 * up_to(20)}};
      if (up_to(3) > 1) configurations.push_back({2, 0.25 * up_to(12)});
      if (up_to(3) > 2) configurations.push_back({3, 0.25 * up_to(8)});
      problem.tasks.push_back(task("t" + std::to_string(t), configurations));
    }
    if (pins) pin_one(problem);
    return problem;
  }

 private:
  int up_to(int most) { return 1 + static_cast<int>(random_() % static_cast<std::uint64_t>(most)); }
  void pin_one(Problem& problem) {
    Pin pin;
    pin.configuration = 0;
    pin.node = up_to(static_cast<int>(problem.nodes.size())) - 1;
    const auto devices = problem.nodes[static_cast<size_t>(*pin.node)].free_at_seconds.size();
    if (up_to(2) == 1) pin.devices = {up_to(static_cast<int>(devices)) - 1};
    if (up_to(2) == 1) pin.start_seconds = 2.0;
    problem.tasks[0].pin = pin;
  }
  std::mt19937_64 random_;
};

void check_against_brute_force(Tiny problems, bool releases, bool pins) {
  for (int i = 0; i < 25; ++i) {
    const Problem problem = problems.next(releases, pins);
    const double best = test::least_makespan(problem);
    const std::optional<Plan> plan = solve_paper(problem, kNoLimit);
    CAPTURE(i);
    REQUIRE(plan.has_value());
    CHECK(plan->makespan_seconds == doctest::Approx(best).epsilon(1e-9));
    CHECK(plan->lower_bound_seconds <= best + 1e-9);
    CHECK(plan->gap <= 1.1e-6);
    CHECK(test::text_of(check_plan(problem, *plan)) == "");
  }
}

TEST_CASE("The paper's program has the optimum that brute force finds") {
  check_against_brute_force(Tiny(1), false, false);
}

TEST_CASE("So it has with devices that are busy at first") {
  check_against_brute_force(Tiny(2), true, false);
}

TEST_CASE("So it has with pins") {
  check_against_brute_force(Tiny(3), true, true);
}

TEST_CASE("Kinds of devices are kept apart") {
  Problem problem;
  problem.nodes = {node("n0", 2), node("n1", 2)};
  problem.nodes[1].kind = "fast";
  problem.tasks = {task("a", {{1, 6.0}, {2, 4.0}}), task("b", {{1, 6.0}})};
  problem.tasks[0].configurations.push_back({"ddp", {}, "fast", 2, 1.0});
  problem.tasks[1].configurations.push_back({"ddp", {}, "fast", 1, 3.0});
  const std::optional<Plan> plan = solve_paper(problem, kNoLimit);
  REQUIRE(plan.has_value());
  CHECK(plan->makespan_seconds == 4.0);
  CHECK(test::text_of(check_plan(problem, *plan)) == "");
}

TEST_CASE("Its size grows with the square of the tasks; what is too large is not built") {
  Problem problem;
  problem.nodes = {node("n0", 8)};
  for (int t = 0; t < 12; ++t)
    problem.tasks.push_back(task("t" + std::to_string(t), {{1, 5.0}, {2, 3.0}, {4, 2.0}}));
  const size_t rows = make_paper_model(problem, 60).milp.rows.size();
  CHECK(rows > 1000);
  CHECK(rows <= paper_rows(problem));
  for (int t = 12; t < 400; ++t)
    problem.tasks.push_back(task("t" + std::to_string(t), {{1, 5.0}, {2, 3.0}, {4, 2.0}}));
  CHECK(paper_rows(problem) > kMostPaperRows);
  CHECK_FALSE(solve_paper(problem, kNoLimit).has_value());
}

TEST_CASE("Without time CBC finds nothing, and that is said") {
  Problem problem;
  problem.nodes = {node("n0", 8), node("n1", 8)};
  for (int t = 0; t < 24; ++t)
    problem.tasks.push_back(task("t" + std::to_string(t), {{1, 5.0 + t}, {2, 3.0 + t}, {4, 2.0 + t}}));
  CHECK_FALSE(solve_paper(problem, {.time_limit = Seconds(0)}).has_value());
  std::atomic<bool> cancel{true};
  CHECK_FALSE(solve_paper(problem, {.time_limit = Seconds(600), .cancel = &cancel}).has_value());
}

TEST_CASE("A problem without tasks, and one that cannot be solved") {
  Problem problem;
  problem.nodes = {node("n0", 1)};
  REQUIRE(solve_paper(problem, kNoLimit).has_value());
  problem.tasks = {task("wide", {{2, 1.0}})};
  CHECK_THROWS_AS((void)solve_paper(problem, kNoLimit), InputError);
}

}  // namespace
}  // namespace saturn::paper_test
