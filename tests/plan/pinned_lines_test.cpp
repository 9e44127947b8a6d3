// SPDX-License-Identifier: Apache-2.0
#include "plan/pinned_lines.h"

#include <doctest/doctest.h>

#include "plan/fixtures.h"

namespace saturn {
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
  plan.assignments = {{"a", "ddp", {}, "n0", {0, 1}, 1.5, 3.0, true},
                      {"b", "ddp", {}, "n0", {0}, 0, 4.0, false}};
  apply_pins(problem, plan);
  REQUIRE(problem.tasks[0].pin.has_value());
  CHECK(problem.tasks[0].pin->configuration == 1);
  CHECK(problem.tasks[0].pin->node == 0);
  CHECK(problem.tasks[0].pin->devices == std::vector<int>{0, 1});
  CHECK(problem.tasks[0].pin->start_seconds == 1.5);
  CHECK_FALSE(problem.tasks[1].pin.has_value());

  plan.assignments = {{"a", "ddp", {}, "n9", {0}, 0, 4.0, true, {3, 5}},
                      {"c", "ddp", {}, "n0", {0}, 0, 4.0, true, {4, 5}},
                      {"b", "ddp", {}, "n0", {0, 1}, 0, 4.0, true, {5, 5}}};
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

TEST_CASE("Pinned lines that are in each other's way are named, each with its line") {
  Problem problem;
  problem.nodes = {test::node("n0", 2), test::node("n1", 1, 3.0)};
  problem.tasks = {test::task("a", {{1, 4.0}, {2, 3.0}}), test::task("b", {{1, 4.0}}),
                   test::task("c", {{1, 1.0}}), test::task("d", {{1, 1.0}})};
  Plan plan;
  plan.file = "plan.json";
  plan.assignments = {{"a", "ddp", {}, "n0", {0, 1}, 0, 9.0, true, {3, 5}},  // takes 3 s, whatever it says
                      {"b", "ddp", {}, "n0", {1}, 2, 4.0, true, {4, 5}},
                      {"c", "ddp", {}, "n1", {0}, 1, 1.0, true, {5, 5}},
                      {"c", "ddp", {}, "n1", {0}, 5, 1.0, true, {6, 5}},
                      {"d", "ddp", {}, "n0", {7}, 0, 1.0, true, {7, 5}}};
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
  plan.assignments = {{"a", "ddp", {}, "n0", {0}, 0, 4.0, true}, {"b", "ddp", {}, "n0", {0}, 0, 4.0, true}};
  CHECK(error_of(problem, plan) != "no error");
  plan.assignments[1].start_known = false;
  CHECK(error_of(problem, plan) == "no error");
}

}  // namespace
}  // namespace saturn
