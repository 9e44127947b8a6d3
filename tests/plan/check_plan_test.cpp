// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "plan/fixtures.h"
#include "plan/plan.h"

namespace saturn::check_plan_test {
namespace {

Problem problem() {
  Problem result;
  result.nodes = {test::node("n0", 2), test::node("n1", 1)};
  result.nodes[1].free_at_seconds = {2.0};
  result.tasks = {test::task("a", {{1, 15.5}, {2, 9.0}}), test::task("b", {{1, 12.0}}),
                  test::task("c", {{1, 3.5}})};
  return result;
}

Assignment line(const std::string& task, const std::string& node, std::vector<int> devices, double start,
                double duration, int at_line) {
  Assignment result{task, "ddp", {}, node, std::move(devices), start, duration};
  result.mark = {at_line, 5};
  return result;
}

Plan plan_of(std::vector<Assignment> assignments, double makespan) {
  Plan plan;
  plan.file = "plan.json";
  plan.assignments = std::move(assignments);
  plan.makespan_seconds = makespan;
  return plan;
}

std::string wrong_with(const Plan& plan) {
  return test::text_of(check_plan(problem(), plan));
}

TEST_CASE("A valid plan has nothing wrong with it") {
  CHECK(wrong_with(plan_of({line("a", "n0", {0}, 0, 15.5, 8), line("b", "n0", {1}, 0, 12, 9),
                            line("c", "n1", {0}, 2, 3.5, 10)},
                           15.5)) == "");
}

TEST_CASE("Two tasks on one device at once are reported with the later one's line and the time they share") {
  CHECK(
      wrong_with(plan_of({line("a", "n0", {1}, 0, 15.5, 13), line("b", "n0", {1}, 12, 12, 14),
                          line("c", "n1", {0}, 2, 3.5, 15)},
                         24)) ==
      "plan.json:14:5: error: task 'a' and task 'b' both use device 1 of node 'n0' from 12.0 s to 15.5 s\n");
}

TEST_CASE("Everything that is wrong is reported at once, in the order of the lines") {
  CHECK(wrong_with(plan_of({line("a", "n0", {0, 2}, 0, 9, 3), line("a", "n0", {0, 1}, 9, 8, 4),
                            line("bb", "n0", {0}, 17, 1, 5), line("c", "n2", {0}, 0, 3.5, 6)},
                           10)) ==
        "plan.json: error: task 'b' is not in the plan\n"
        "plan.json: error: makespan_seconds is 10.0 s, but the last task ends at 18.0 s\n"
        "plan.json:3:5: error: task 'a': node 'n0' has no device 2; it has 2\n"
        "plan.json:4:5: error: task 'a' is planned twice (first on line 3)\n"
        "plan.json:4:5: error: task 'a': duration_seconds is 8.0 s, but ddp on 2 x cpu takes 9.0 s\n"
        "plan.json:5:5: error: there is no task 'bb' (did you mean 'b'?)\n"
        "plan.json:6:5: error: task 'c': there is no node 'n2' (did you mean 'n0'?)\n");
}

TEST_CASE("Configurations, devices and releases are checked") {
  Assignment other = line("b", "n0", {0, 1}, 0, 12, 4);
  other.parallelism = "fsdp";
  other.knobs = {{"offload", "yes"}};
  CHECK(wrong_with(
            plan_of({line("a", "n0", {}, 12, 15.5, 3), other, line("c", "n1", {0}, 1.5, 3.5, 5)}, 27.5)) ==
        "plan.json:3:5: error: task 'a' has no devices\n"
        "plan.json:3:5: error: task 'a' was not measured as ddp on 0 x cpu; it was as ddp on 1 x cpu, ddp on "
        "2 x cpu\n"
        "plan.json:4:5: error: task 'b' was not measured as fsdp (offload=yes) on 2 x cpu; it was as ddp on "
        "1 x cpu\n"
        "plan.json:5:5: error: task 'c' starts at 1.5 s, but device 0 of node 'n1' is in use until 2.0 s\n");
}

TEST_CASE("Pins are rules like the others") {
  Problem pinned = problem();
  pinned.tasks[0].pin = Pin{1, 0, {0, 1}, 5.0};
  pinned.tasks[1].pin = Pin{{}, 1, {}, {}};
  const Plan plan = plan_of(
      {line("a", "n0", {0}, 0, 15.5, 8), line("b", "n0", {1}, 0, 12, 9), line("c", "n1", {0}, 2, 3.5, 10)},
      15.5);
  CHECK(test::text_of(check_plan(pinned, plan)) ==
        "plan.json:8:5: error: task 'a' is pinned to ddp on 2 x cpu\n"
        "plan.json:8:5: error: task 'a' is pinned to devices 0, 1\n"
        "plan.json:8:5: error: task 'a' is pinned to start at 5.0 s\n"
        "plan.json:9:5: error: task 'b' is pinned to node 'n1'\n");
}

TEST_CASE("A bound above the makespan and a start before 0 are wrong") {
  Plan plan = plan_of(
      {line("a", "n0", {0}, 0, 15.5, 8), line("b", "n0", {1}, -1, 12, 9), line("c", "n1", {0}, 2, 3.5, 10)},
      15.5);
  plan.lower_bound_seconds = 16;
  CHECK(wrong_with(plan) ==
        "plan.json: error: lower_bound_seconds is 16.0 s, over the makespan of 15.5 s\n"
        "plan.json:9:5: error: task 'b' starts at -1.0 s, but device 1 of node 'n0' is in use until 0.0 s\n"
        "plan.json:9:5: error: task 'b': start_seconds is -1\n");
}

TEST_CASE("A bound above the objective's value is wrong") {
  Plan plan = plan_of(
      {line("a", "n0", {0}, 0, 15.5, 8), line("b", "n0", {1}, 0, 12, 9), line("c", "n1", {0}, 2, 3.5, 10)},
      15.5);
  plan.objective = {Objective::Kind::kMeanCompletion, 0};
  plan.objective_bound = 11;
  CHECK(wrong_with(plan) == "");
  plan.objective_bound = 11.5;
  CHECK(wrong_with(plan) ==
        "plan.json: error: objective_bound is 11.5 s, over the objective's value of 11.0 s\n");
  plan.objective = {Objective::Kind::kDeadline, 20};
  CHECK(wrong_with(plan) == "");
  plan.objective_bound = 31.5;
  CHECK(wrong_with(plan) ==
        "plan.json: error: objective_bound is 31.5 s, over the objective's value of 31.0 s\n");
}

}  // namespace
}  // namespace saturn::check_plan_test
