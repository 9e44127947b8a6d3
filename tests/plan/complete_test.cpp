// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "plan/fixtures.h"
#include "plan/plan.h"

namespace saturn::complete_test {
namespace {

Problem problem() {
  Problem result;
  result.nodes = {test::node("n0", 2), test::node("n1", 1, 2.0)};
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

/// a and b side by side on n0, c on n1.
Plan plan() {
  Plan result;
  result.file = "plan.json";
  result.assignments = {line("a", "n0", {0}, 0, 15.5, 8), line("b", "n0", {1}, 0, 12, 9),
                        line("c", "n1", {0}, 2, 3.5, 10)};
  result.makespan_seconds = 15.5;
  result.gap = 1;
  return result;
}

std::string wrong_with(const Plan& plan) {
  return test::text_of(check_plan(problem(), plan));
}

/// What was timed again, a line each.
std::string retimed(Plan& plan) {
  std::string text;
  for (const std::string& note : complete(problem(), plan).retimed) text += note + "\n";
  return text;
}

TEST_CASE("A plan that is whole and right stays as it is") {
  Plan whole = plan();
  CHECK_FALSE(complete(problem(), whole).changed());
  CHECK(to_text(whole) == to_text(plan()));
}

TEST_CASE("Lines without start or duration are timed from the problem and the order") {
  Plan edited = plan();
  std::swap(edited.assignments[0], edited.assignments[1]);
  edited.assignments[1].devices = {0, 1};
  edited.assignments[0].duration_known = edited.assignments[0].start_known = false;
  edited.assignments[1].duration_known = edited.assignments[1].start_known = false;
  const Completion completion = complete(problem(), edited);
  CHECK(completion.filled_in);
  CHECK(completion.retimed.empty());
  CHECK(edited.assignments[0].duration_seconds == 12.0);
  CHECK(edited.assignments[1].start_seconds == 12.0);
  CHECK(edited.makespan_seconds == 21.0);
  CHECK(wrong_with(edited) == "");
  CHECK_FALSE(complete(problem(), edited).changed());
}

TEST_CASE("Two lines swapped run in the other order, and all that follows is timed again") {
  Plan edited = plan();
  edited.assignments = {line("a", "n0", {0, 1}, 9, 9, 8), line("c", "n0", {1}, 0, 3.5, 9),
                        line("b", "n0", {1}, 3.5, 12, 10)};
  CHECK(retimed(edited) ==
        "plan.json:8: task 'a': start_seconds 9 s -> 0 s, when its devices are free\n"
        "plan.json:9: task 'c': start_seconds 0 s -> 9 s, after the lines above it\n"
        "plan.json:10: task 'b': start_seconds 3.5 s -> 12.5 s, after the lines above it\n");
  CHECK(edited.makespan_seconds == 24.5);
  CHECK(wrong_with(edited) == "");
}

TEST_CASE("A line moved to other devices takes as long there as was measured") {
  Plan edited = plan();
  edited.assignments[0].devices = {0, 1};
  CHECK(retimed(edited) ==
        "plan.json:8: task 'a': duration_seconds 15.5 s -> 9 s, as measured\n"
        "plan.json:9: task 'b': start_seconds 0 s -> 9 s, after the lines above it\n");
  CHECK(edited.makespan_seconds == 21);
  CHECK(wrong_with(edited) == "");
}

TEST_CASE("A line moved to a node that is busy waits for it") {
  Plan edited = plan();
  edited.assignments[1] = line("b", "n1", {0}, 0, 12, 9);
  CHECK(retimed(edited) ==
        "plan.json:9: task 'b': start_seconds 0 s -> 2 s, after the lines above it\n"
        "plan.json:10: task 'c': start_seconds 2 s -> 14 s, after the lines above it\n");
  CHECK(wrong_with(edited) == "");
}

TEST_CASE("A pinned line keeps its start; what stands above it and runs into it is reported") {
  Plan edited = plan();
  edited.assignments[2] = line("c", "n0", {1}, 20, 3.5, 10);
  edited.assignments[2].pinned = PinnedParts::whole();
  CHECK_FALSE(complete(problem(), edited).changed());
  CHECK(edited.makespan_seconds == 23.5);
  edited.assignments[2].start_seconds = 10;
  CHECK_FALSE(complete(problem(), edited).changed());
  CHECK(
      wrong_with(edited) ==
      "plan.json:10:5: error: task 'b' and task 'c' both use device 1 of node 'n0' from 10.0 s to 12.0 s\n");
}

TEST_CASE("A pinned line without a start is timed like the others") {
  Plan edited = plan();
  edited.assignments[2] = line("c", "n0", {1}, 0, 3.5, 10);
  edited.assignments[2].pinned = PinnedParts::whole();
  edited.assignments[2].start_known = false;
  CHECK(complete(problem(), edited).filled_in);
  CHECK(edited.assignments[2].start_seconds == 12);
}

TEST_CASE("A lower bound over the makespan is dropped and said so") {
  Plan edited = plan();
  edited.lower_bound_seconds = 16;
  edited.bound_method = "area";
  CHECK(retimed(edited) == "plan.json: lower_bound_seconds is over the makespan: it is left out\n");
  CHECK(edited.lower_bound_seconds == 0);
  CHECK(edited.bound_method == "");
  CHECK(edited.gap == 1);
}

TEST_CASE("A bound over the objective's value is dropped, and the gap follows from the lines") {
  Plan edited = plan();
  edited.objective = {Objective::Kind::kMeanCompletion, 0};
  edited.objective_bound = 9.9;
  CHECK(retimed(edited) == "");
  CHECK(edited.gap == doctest::Approx(0.1));
  edited.objective_bound = 12;
  edited.bound_method = "squashed area";
  CHECK(retimed(edited) == "plan.json: objective_bound is over the objective's value: it is left out\n");
  CHECK(edited.objective_bound == 0);
  CHECK(edited.bound_method == "");
  CHECK(edited.gap == 1);
}

TEST_CASE("A lower bound holds for the pins that it was found for, and without any for all") {
  Plan pinned = plan();
  pinned.assignments[0].pinned = PinnedParts::whole();
  pinned.lower_bound_seconds = 15.5;
  pinned.gap = 0;
  CHECK_FALSE(complete(problem(), pinned).changed());
  pinned.bound_pins = pins_hash(pinned);
  CHECK(pinned.bound_pins != "");
  CHECK_FALSE(complete(problem(), pinned).changed());
  pinned.assignments[1].pinned = PinnedParts::whole();
  std::swap(pinned.assignments[0], pinned.assignments[1]);
  pinned.bound_pins = pins_hash(pinned);
  std::swap(pinned.assignments[0], pinned.assignments[1]);
  CHECK_FALSE(complete(problem(), pinned).changed());  // whatever their order
  pinned.assignments[0].pinned = {};
  CHECK(retimed(pinned) == "plan.json: lower_bound_seconds was found for other pins: it is left out\n");
  CHECK(pinned.lower_bound_seconds == 0);
  CHECK(pinned.bound_pins == "");
  CHECK(pins_hash(plan()) == "");
}

TEST_CASE("Starts are whole milliseconds, and none is lost to the binary form of a sum") {
  Problem thirds;
  thirds.nodes = {test::node("n0", 1, 0.1)};
  thirds.tasks = {test::task("a", {{1, 0.2}}), test::task("b", {{1, 1.0 / 3}})};
  Plan edited;
  edited.assignments = {line("a", "n0", {0}, 0, 0, 1), line("b", "n0", {0}, 0, 0, 2)};
  for (Assignment& each : edited.assignments) each.start_known = each.duration_known = false;
  complete(thirds, edited);
  CHECK(edited.assignments[1].start_seconds == 0.3);
  CHECK(edited.assignments[1].duration_seconds == 0.333);
  CHECK(edited.makespan_seconds == 0.633);
}

TEST_CASE("What the problem does not know stays for check_plan to report") {
  Plan edited = plan();
  edited.assignments[1].parallelism = "fsdp";
  CHECK_FALSE(complete(problem(), edited).changed());
  CHECK(wrong_with(edited) ==
        "plan.json:9:5: error: task 'b' was not measured as fsdp on 1 x cpu; it was as ddp on 1 x cpu\n");
}

}  // namespace
}  // namespace saturn::complete_test
