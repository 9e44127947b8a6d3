// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <doctest/doctest.h>
#include <map>
#include <random>
#include <string>

#include "plan/bounds/lane_program.h"
#include "plan/bounds/width_program.h"
#include "plan/fixtures.h"
#include "plan/methods/portfolio.h"
#include "plan/random_problems.h"
#include "plan/solve.h"

namespace saturn::relaxation_test {
namespace {

using test::RandomInstances;

const Deadline kNoDeadline = Deadline::in(Seconds(1e6));

TEST_CASE(
    "On nodes of several kinds and sizes the optimum is found, and neither lanes nor widths refute it") {
  RandomInstances instances(11);
  int refuted_below = 0;
  for (int i = 0; i < 200; ++i) {
    const Problem problem = instances.next(2, 3, 5);
    const auto best = static_cast<Millis>(test::least_makespan(problem) * 1000 + 0.5);
    const Instance instance = make_instance(problem);
    CAPTURE(i);
    CHECK_FALSE(LaneProgram(instance).refutes(best, kNoDeadline));
    CHECK_FALSE(WidthProgram(instance).refutes(best, kNoDeadline));
    const Plan plan = solve(problem, {.time_limit = Seconds(3600)});
    CHECK(plan.makespan_seconds == doctest::Approx(static_cast<double>(best) / 1000));
    CHECK(plan.gap == 0);
    refuted_below += LaneProgram(instance).refutes(best / 2, kNoDeadline) ? 1 : 0;
  }
  CHECK(refuted_below > 80);  // they do refute what is out of reach
}

TEST_CASE("Neither lanes nor widths refute the makespan of a good plan") {
  RandomInstances instances(12);
  for (int i = 0; i < 40; ++i) {
    const Problem problem = instances.next(4, 8, 30);
    const Instance instance = make_instance(problem);
    Search search(instance, 0, 0);
    Work work{1000000, true};
    run_portfolio(search, Deadline::in(Seconds(1e6), nullptr, &work), 1);
    CAPTURE(i);
    CHECK_FALSE(LaneProgram(instance).refutes(search.makespan(), kNoDeadline));
    CHECK_FALSE(WidthProgram(instance).refutes(search.makespan(), kNoDeadline));
  }
}

TEST_CASE("Widths see that wide gangs cannot share a node") {
  // Four gangs of two on nodes of three devices: by area they need 4 x 2 x 3 / 6 = 4 s, but only one fits at
  // a time.
  Problem problem;
  problem.nodes = {test::node("n0", 3), test::node("n1", 3)};
  for (int t = 0; t < 4; ++t) problem.tasks.push_back(test::task("t" + std::to_string(t), {{2, 3.0}}));
  const Instance instance = make_instance(problem);
  CHECK(WidthProgram(instance).refutes(5999, kNoDeadline));
  CHECK_FALSE(WidthProgram(instance).refutes(6000, kNoDeadline));
}

TEST_CASE("Lanes see that long tasks cannot share a device") {
  // Three tasks of 6 s on two devices: by area 9 s, but one device runs two of them.
  Problem problem;
  problem.nodes = {test::node("n0", 2)};
  for (int t = 0; t < 3; ++t) problem.tasks.push_back(test::task("t" + std::to_string(t), {{1, 6.0}}));
  const Instance instance = make_instance(problem);
  CHECK(LaneProgram(instance).refutes(11999, kNoDeadline));
  CHECK_FALSE(LaneProgram(instance).refutes(12000, kNoDeadline));
}

}  // namespace
}  // namespace saturn::relaxation_test
