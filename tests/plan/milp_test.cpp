// SPDX-License-Identifier: Apache-2.0
#include "plan/milp.h"

#include <doctest/doctest.h>

namespace saturn {
namespace {

/// Least 3 a + 2 b with a + b >= 3.5 and a <= 2, whole numbers: a = 0, b = 4.
Milp small() {
  Milp milp;
  const int a = milp.add_column({0, 2, 3, true});
  const int b = milp.add_column({0, 10, 2, true});
  milp.add_at_least({{a, 1}, {b, 1}}, 3.5);
  return milp;
}

TEST_CASE("CBC's optimum comes back in whole numbers") {
  const MilpResult result = solve_milp(small(), {Seconds(10), false, {}});
  CHECK(result.status == MilpStatus::kOptimal);
  CHECK(result.objective == 8);
  CHECK(result.values == std::vector<double>{0, 4});
}

TEST_CASE("An infeasible program is told from one that ran out of time") {
  Milp milp = small();
  milp.add_at_most({{0, 1}, {1, 1}}, 3);
  CHECK(solve_milp(milp, {Seconds(10), false, {}}).status == MilpStatus::kInfeasible);
  CHECK(solve_milp(milp, {Seconds(0), false, {}}).status == MilpStatus::kUnknown);
}

TEST_CASE("A start that is no solution is never read as infeasible") {
  MilpOptions options{Seconds(10), false, {{0, 2.0}, {1, 0.0}}};
  const MilpResult result = solve_milp(small(), options);
  CHECK(result.status == MilpStatus::kOptimal);
  CHECK(result.objective == 8);
}

TEST_CASE("The first solution is enough when it is asked for") {
  const MilpResult result = solve_milp(small(), {Seconds(10), true, {}});
  CHECK((result.status == MilpStatus::kFeasible || result.status == MilpStatus::kOptimal));
  REQUIRE(result.values.size() == 2);
  CHECK(result.values[0] + result.values[1] >= 3.5);
}

}  // namespace
}  // namespace saturn
