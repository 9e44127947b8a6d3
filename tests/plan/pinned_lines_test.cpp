// SPDX-License-Identifier: Apache-2.0
#include "plan/pinned_lines.h"

#include <doctest/doctest.h>

#include "plan/fixtures.h"
#include "plan/solve.h"

namespace saturn::pinned_lines_test {
namespace {

std::string error_of(Problem problem, const Plan& plan) {
  try {
    apply_pins(problem, plan);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST_CASE("Pinned lines of a plan become pins; those that fit nothing are all reported") {
  Problem problem;
  problem.nodes = {test::node("n0", 2)};
  problem.tasks = {test::task("a", {{1, 4.0}, {2, 3.0}}), test::task("b", {{1, 4.0}})};
  Plan plan;
  plan.file = "plan.json";
  plan.assignments = {{"a", "ddp", {}, "n0", {0, 1}, 1.5, 3.0, PinnedParts::whole()},
                      {"b", "ddp", {}, "n0", {0}, 0, 4.0, {}}};
  apply_pins(problem, plan);
  REQUIRE(problem.tasks[0].pin.has_value());
  CHECK(problem.tasks[0].pin->configuration == 1);
  CHECK(problem.tasks[0].pin->node == 0);
  CHECK(problem.tasks[0].pin->devices == std::vector<int>{0, 1});
  CHECK(problem.tasks[0].pin->start_seconds == 1.5);
  CHECK_FALSE(problem.tasks[1].pin.has_value());

  plan.assignments = {{"a", "ddp", {}, "n9", {0}, 0, 4.0, PinnedParts::whole(), false, {3, 5}},
                      {"c", "ddp", {}, "n0", {0}, 0, 4.0, PinnedParts::whole(), false, {4, 5}},
                      {"b", "ddp", {}, "n0", {0, 1}, 0, 4.0, PinnedParts::whole(), false, {5, 5}}};
  std::string text;
  try {
    apply_pins(problem, plan);
  } catch (const InputError& error) {
    text = error.what();
  }
  CHECK(text ==
        "plan.json:3:5: error: task 'a' is pinned to node 'n9', which there is not\n"
        "plan.json:4:5: error: there is no task 'c' to pin\n"
        "plan.json:5:5: error: task 'b' is pinned to ddp on 2 device(s), which was not measured; it was as "
        "ddp on 1");
}

TEST_CASE("Of a line pinned in parts the rest is open, and what it says of the rest does not matter") {
  Problem problem;
  problem.nodes = {test::node("n0", 2), test::node("n1", 3)};
  problem.tasks = {test::task("a", {{1, 4.0}, {2, 3.0}}), test::task("b", {{1, 4.0}, {2, 3.0}}),
                   test::task("c", {{1, 4.0}, {2, 3.0}})};
  const PinnedParts configuration{.configuration = true}, node{.node = true},
      devices{.node = true, .devices = true};
  Plan plan;
  plan.file = "plan.json";
  plan.assignments = {{"a", "ddp", {}, "n0", {0, 1}, 7, 3.0, configuration},
                      {"b", "none", {}, "n0", {5, 6, 7}, 0, 4.0, node},
                      {"c", "none", {}, "n1", {1, 2}, 0, 4.0, devices}};
  apply_pins(problem, plan);
  const std::vector<Pin> pins{*problem.tasks[0].pin, *problem.tasks[1].pin, *problem.tasks[2].pin};
  CHECK((pins[0].configuration == 1 && !pins[0].node && pins[0].devices.empty()));
  CHECK((!pins[1].configuration && pins[1].node == 0 && pins[1].devices.empty()));
  CHECK((!pins[2].configuration && pins[2].node == 1 && pins[2].devices == std::vector<int>{1, 2}));
  for (const Pin& pin : pins) CHECK((!pin.start_seconds && pin.after.empty()));

  SolveOptions options;
  options.time_limit = Seconds(3600);
  const Plan solved = solve(problem, options);
  CHECK(test::text_of(check_plan(problem, solved)) == "");
  CHECK(solved.makespan_seconds == 6);
  for (const Assignment& line : solved.assignments)
    CHECK(line.pinned == (line.task == "a" ? configuration : line.task == "b" ? node : devices));

  plan.assignments = {{"a", "fsdp", {}, "n0", {0, 1}, 0, 3.0, configuration, false, {3, 5}},
                      {"b", "ddp", {}, "n1", {3}, 0, 4.0, devices, false, {4, 5}},
                      {"c", "ddp", {}, "n1", {0, 1, 2}, 0, 4.0, devices, false, {5, 5}}};
  CHECK(
      error_of(problem, plan) ==
      "plan.json:3:5: error: task 'a' is pinned to fsdp on 2 device(s), which was not measured; it was as "
      "ddp on 1, ddp on 2\n"
      "plan.json:4:5: error: task 'b' is pinned to device 3 of node 'n1', which has 3\n"
      "plan.json:5:5: error: task 'c' is pinned to 3 device(s), on which it was not measured; it was as ddp "
      "on 1, ddp on 2");
}

TEST_CASE("Pinned lines that are in each other's way are named, each with its line") {
  Problem problem;
  problem.nodes = {test::node("n0", 2), test::node("n1", 1, 3.0)};
  problem.tasks = {test::task("a", {{1, 4.0}, {2, 3.0}}), test::task("b", {{1, 4.0}}),
                   test::task("c", {{1, 1.0}}), test::task("d", {{1, 1.0}})};
  Plan plan;
  plan.file = "plan.json";
  plan.assignments = {
      {"a", "ddp", {}, "n0", {0, 1}, 0, 9.0, PinnedParts::whole(), false, {3, 5}},  // takes 3 s, whatever it
                                                                                    // says
      {"b", "ddp", {}, "n0", {1}, 2, 4.0, PinnedParts::whole(), false, {4, 5}},
      {"c", "ddp", {}, "n1", {0}, 1, 1.0, PinnedParts::whole(), false, {5, 5}},
      {"c", "ddp", {}, "n1", {0}, 5, 1.0, PinnedParts::whole(), false, {6, 5}},
      {"d", "ddp", {}, "n0", {7}, 0, 1.0, PinnedParts::whole(), false, {7, 5}}};
  plan.assignments[4].start_known = false;
  CHECK(error_of(problem, plan) ==
        "plan.json:4:5: error: task 'a' and task 'b' both use device 1 of node 'n0' from 2.0 s to 3.0 s\n"
        "plan.json:5:5: error: task 'c' starts at 1.0 s, but device 0 of node 'n1' is in use until 3.0 s\n"
        "plan.json:6:5: error: task 'c' is pinned twice\n"
        "plan.json:7:5: error: task 'd': node 'n0' has no device 7; it has 2");
}

TEST_CASE("A pinned line without a start is in nobody's way") {
  Problem problem;
  problem.nodes = {test::node("n0", 1)};
  problem.tasks = {test::task("a", {{1, 4.0}}), test::task("b", {{1, 4.0}})};
  Plan plan;
  plan.assignments = {{"a", "ddp", {}, "n0", {0}, 0, 4.0, PinnedParts::whole()},
                      {"b", "ddp", {}, "n0", {0}, 0, 4.0, PinnedParts::whole()}};
  CHECK(error_of(problem, plan) != "no error");
  plan.assignments[1].start_known = false;
  CHECK(error_of(problem, plan) == "no error");
}

}  // namespace
}  // namespace saturn::pinned_lines_test
