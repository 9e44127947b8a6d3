// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <doctest/doctest.h>

#include "plan/fixtures.h"
#include "plan/model/instance.h"
#include "plan/random_problems.h"
#include "plan/solve.h"

namespace saturn::tie_break_test {
namespace {

using test::MeasureKey;
using test::Measures;

/// By the lines alone.
Measures measures_of(const Plan& plan) {
  Measures measures;
  for (const Assignment& line : plan.assignments) {
    const long end = std::lround(line.end_seconds() * 1000);
    measures.makespan = std::max(measures.makespan, end);
    measures.area += std::lround(line.duration_seconds * 1000) * static_cast<long>(line.devices.size());
    measures.completions += end;
  }
  return measures;
}

MeasureKey by_makespan(const Measures& m) {
  return {m.makespan, m.area, m.completions};
}

struct Reached {
  int area = 0;  ///< least device time of all plans that end as early
  int both = 0;  ///< and then the least sum of ends
};

/// Solves the problem; no plan may be better than the best there is.
void compare_with_brute_force(const Problem& problem, Reached& reached) {
  const Measures best = test::best_measures(problem, by_makespan);
  SolveOptions options;
  options.time_limit = Seconds(3600);
  const Measures found = measures_of(solve(problem, options));
  REQUIRE(found.makespan == best.makespan);
  CHECK(by_makespan(found) >= by_makespan(best));
  reached.area += found.area == best.area ? 1 : 0;
  reached.both += by_makespan(found) == by_makespan(best) ? 1 : 0;
}

TEST_CASE("Of plans that end as early the one of least device time is taken, then of earliest ends") {
  test::RandomProblems problems(21);
  Reached reached;
  for (int i = 0; i < 400; ++i) {
    CAPTURE(i);
    compare_with_brute_force(problems.next(i % 2 == 1), reached);
  }
  CHECK(reached.area >= 398);  // 400 when this was written
  CHECK(reached.both >= 394);  // 398
}

TEST_CASE("So it is with pins") {
  test::RandomProblems problems(22);
  Reached reached;
  for (int i = 0, solved = 0; solved < 100; ++i) {
    Problem problem = problems.next(i % 2 == 1);
    problems.pin_some(problem);
    if (!make_instance(problem).regular) continue;  // those are searched until the time is up
    ++solved;
    CAPTURE(i);
    compare_with_brute_force(problem, reached);
  }
  CHECK(reached.area >= 98);  // 100
  CHECK(reached.both >= 96);  // 99
}

TEST_CASE("A plan says its device time and when a task ends on average") {
  Problem problem;
  problem.nodes = {test::node("n0", 2)};
  problem.tasks = {test::task("a", {{1, 4.0}, {2, 3.0}}), test::task("b", {{1, 4.0}, {2, 3.9}}),
                   test::task("c", {{1, 1.0}})};
  const Plan plan = solve(problem, {});
  CHECK(plan.makespan_seconds == 5.0);
  CHECK(device_seconds(plan) == 9.0);
  CHECK(mean_completion_seconds(plan) == doctest::Approx((1 + 4 + 5) / 3.0));
}

}  // namespace
}  // namespace saturn::tie_break_test
