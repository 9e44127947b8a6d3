// SPDX-License-Identifier: Apache-2.0
#include "plan/methods/exact.h"

#include <doctest/doctest.h>
#include <random>

#include "plan/bounds/bisection.h"
#include "plan/fixtures.h"

namespace saturn::exact_test {
namespace {

Problem random_problem(std::mt19937_64& random) {
  const auto up_to = [&](int most) {
    return 1 + static_cast<int>(random() % static_cast<std::uint64_t>(most));
  };
  Problem problem;
  for (int n = 0, nodes = up_to(2); n < nodes; ++n)
    problem.nodes.push_back(test::node("n" + std::to_string(n), up_to(3), up_to(3) == 1 ? 1.0 : 0.0));
  for (int t = 0, tasks = 2 + up_to(3); t < tasks; ++t)
    problem.tasks.push_back(test::task("t" + std::to_string(t),
                                       {{1, up_to(20) * 0.25}, {2, up_to(10) * 0.25}, {3, up_to(7) * 0.25}}));
  return problem;
}

TEST_CASE("With CBC alone as its master the exact method proves what brute force finds") {
  std::mt19937_64 random(5);
  for (int i = 0; i < 60; ++i) {
    const Problem problem = random_problem(random);
    const double best = test::least_makespan(problem);
    const Instance instance = make_instance(problem);
    Search search(instance, 0, 0);
    const Deadline deadline = Deadline::in(Seconds(60));
    construct(search, deadline);  // without a bound, so that everything is left to prove
    Exact(search, 0).run(deadline);
    CAPTURE(i);
    CHECK(static_cast<double>(search.makespan()) / 1000 == doctest::Approx(best).epsilon(1e-9));
    CHECK(search.bound() == search.makespan());
  }
}

TEST_CASE("A solver that refuses what is possible is not believed") {
  std::mt19937_64 random(7);
  const MilpSolver refuses_all = [](const Milp&, const MilpOptions&) {
    return MilpResult{MilpStatus::kInfeasible, {}, 0};
  };
  int improvable = 0;
  for (int i = 0; i < 40; ++i) {
    const Problem problem = random_problem(random);
    const auto best = static_cast<Millis>(test::least_makespan(problem) * 1000 + 0.5);
    const Instance instance = make_instance(problem);
    Search search(instance, 0, 0);
    const Deadline deadline = Deadline::in(Seconds(20));
    construct(search, deadline);
    Bisection windows = bound_by_windows(search, refuses_all);
    while (windows.step(deadline)) continue;
    Exact(search, 0, refuses_all).run(deadline);
    CAPTURE(i);
    CHECK(search.bound() <= best);
    improvable += search.makespan() > best ? 1 : 0;
  }
  CHECK(improvable > 0);  // else believing it would have done no harm
}

TEST_CASE("The master program has a solution at the optimum, and no bound is above it") {
  std::mt19937_64 random(6);
  for (int i = 0; i < 60; ++i) {
    const Problem problem = random_problem(random);
    const auto best = static_cast<Millis>(test::least_makespan(problem) * 1000 + 0.5);
    const Instance instance = make_instance(problem);
    CAPTURE(i);
    for (const bool together : {false, true}) {
      const Master master = make_master(instance, best, together, {});
      CHECK_FALSE(master.impossible);
      CHECK(solve_milp(master.milp, {Seconds(20), false, {}}).status == MilpStatus::kOptimal);
    }
    Search search(instance, 0, 0);
    bound_by_area(search);
    CHECK(search.bound() <= best);
    construct(search, Deadline::in(Seconds(1)));
    const Deadline deadline = Deadline::in(Seconds(20));
    Bisection widths = bound_by_widths(search);
    Bisection lanes = bound_by_lanes(search);
    Bisection windows = bound_by_windows(search);
    while (widths.step(deadline) || lanes.step(deadline) || windows.step(deadline))
      CHECK(search.bound() <= best);
    CHECK(search.bound() <= best);
  }
}

}  // namespace
}  // namespace saturn::exact_test
