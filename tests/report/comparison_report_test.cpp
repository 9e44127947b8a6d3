// SPDX-License-Identifier: Apache-2.0
#include "report/comparison_report.h"

#include <doctest/doctest.h>

#include "report/golden.h"

namespace saturn::comparison_report_test {

namespace {

Plan plan_of(const std::string& file, std::vector<Assignment> assignments) {
  Plan plan;
  plan.file = file;
  plan.assignments = std::move(assignments);
  for (const Assignment& line : plan.assignments)
    plan.makespan_seconds = std::max(plan.makespan_seconds, line.end_seconds());
  plan.lower_bound_seconds = 45;
  plan.method = "annealing";
  return plan;
}

Plan before() {
  return plan_of("a.json", {{"large", "ddp", {{"bucket_mb", "25"}}, "n0", {0, 1}, 0, 40},
                            {"small", "ddp", {}, "n0", {0}, 40, 10},
                            {"old", "ddp", {}, "n0", {1}, 40, 20}});
}

}  // namespace

TEST_CASE("plans are compared by their totals and task by task") {
  const Plan after = plan_of("b.json", {{"large", "fsdp", {}, "n1", {0}, 0, 45},
                                        {"small", "ddp", {}, "n0", {0}, 0, 10},
                                        {"new", "ddp", {}, "n0", {1}, 0, 20}});
  test::check_golden("comparison", comparison_report(compare(before(), after), {}));
}

TEST_CASE("equal plans have totals only") {
  Plan unnamed = before();
  unnamed.file = "";
  CHECK(comparison_report(compare(unnamed, unnamed), {}) ==
        "                before   after\n"
        "makespan        1:00     1:00 (+0.0 %)\n"
        "lower bound     45 s     45 s (+0.0 %)\n"
        "gap             25.00 %  25.00 %\n"
        "device-seconds  110.0    110.0 (+0.0 %)\n"
        "tasks           3        3\n"
        "\n"
        "3 tasks are the same in both plans\n");
}

TEST_CASE("the baselines stand below the plan, with how many times as long they take") {
  std::vector<Baseline> baselines{{"current practice", "a whole node each", before()}};
  baselines[0].plan.makespan_seconds = 90;
  CHECK(baseline_table(before(), baselines, 2, {}) ==
        "plan              makespan  times  used\n"
        "this plan             1:00   1.00  92 %  annealing\n"
        "current practice      1:30   1.50  61 %  a whole node each\n");
}

}  // namespace saturn::comparison_report_test
