// SPDX-License-Identifier: Apache-2.0
#include "replan/remaining.h"

#include <doctest/doctest.h>

#include "replan_fixture.h"

namespace saturn::remaining_test {
namespace {

using test::ReplanFixture;

const ProblemTask& task_of(const Problem& problem, const std::string& name) {
  for (const ProblemTask& task : problem.tasks) {
    if (task.name == name) return task;
  }
  FAIL("no task " << name);
  return problem.tasks.front();
}

TEST_CASE_FIXTURE(ReplanFixture, "a task's own speed counts, else that of its kind, else that of all") {
  add("seen", 100);
  add("twin", 100);
  add("other", 100, 64);
  run("seen", {0}, 10, 1.5);
  const auto slowness = observed_slowness(setup, profile, state);
  CHECK(slowness.at("seen") == doctest::Approx(1.5));
  CHECK(slowness.at("twin") == doctest::Approx(1.5));
  CHECK(slowness.at("other") == doctest::Approx(1.5));
  run("other", {1}, 10, 0.5);
  const auto both = observed_slowness(setup, profile, state);
  CHECK(both.at("other") == doctest::Approx(0.5));
  CHECK(both.at("twin") == doctest::Approx(1.5));
}

TEST_CASE_FIXTURE(ReplanFixture, "a task that is started elsewhere is as slow as it was until it is known") {
  add("moved", 100);
  add("other", 100, 64);
  run("other", {1}, 10, 1);
  run("moved", {0}, 10, 1.5);
  apply(state, CheckpointWritten{30, "moved", 20, 1.5});
  apply(state, GangEnded{31, "moved", "stopped", false});
  apply(state, GangStarted{31, "moved", "ddp", {}, "n0", {0, 1}, 0});
  CHECK(observed_slowness(setup, profile, state).at("moved") == doctest::Approx(1.5));
  // One that is gone before it is known changes nothing.
  apply(state, GangEnded{32, "moved", "stopped", false});
  apply(state, GangStarted{32, "moved", "ddp", {}, "n0", {0, 1}, 0});
  CHECK(observed_slowness(setup, profile, state).at("moved") == doctest::Approx(1.5));
  state.tasks["moved"].step_seconds = 0.6;
  CHECK(observed_slowness(setup, profile, state).at("moved") == doctest::Approx(1));
}

TEST_CASE_FIXTURE(ReplanFixture,
                  "what runs may stay where it is, without a start-up, for the steps that are left") {
  add("running", 100);
  add("waiting", 50);
  run("running", {1}, 40, 1);
  const Problem problem = remaining_problem(inputs());
  const ProblemTask& task = task_of(problem, "running");
  CHECK_FALSE(task.pin.has_value());
  REQUIRE(task.running.has_value());
  CHECK(task.running->node == 0);
  CHECK(task.running->devices == std::vector<int>{1});
  CHECK(task.running->staying.parallelism == "ddp");
  CHECK(task.running->staying.devices == 1);
  CHECK(task.running->staying.duration_seconds == doctest::Approx(60 + 1));
  CHECK_FALSE(task_of(problem, "waiting").running.has_value());
}

TEST_CASE_FIXTURE(ReplanFixture, "what moves pays for a checkpoint and a start-up") {
  add("running", 100);
  run("running", {1}, 40, 1);
  const Problem problem = remaining_problem(inputs());
  const ProblemTask& running = task_of(problem, "running");
  REQUIRE(running.configurations.size() == 2);
  for (const Configuration& configuration : running.configurations) {
    const double steps = configuration.devices == 1 ? 60 : 36;
    CHECK(configuration.duration_seconds == doctest::Approx(2 + steps + 1 + 1));
  }
}

TEST_CASE_FIXTURE(ReplanFixture, "what is pinned by hand stays where it runs") {
  add("running", 100);
  assign("running", {1}, 0, 103);
  plan.assignments[0].pinned = PinnedParts::whole();
  run("running", {1}, 40, 1);
  const Problem problem = remaining_problem(inputs());
  const ProblemTask& running = task_of(problem, "running");
  REQUIRE(running.configurations.size() == 1);
  CHECK(running.configurations[0].duration_seconds == doctest::Approx(60 + 1));
  REQUIRE(running.pin.has_value());
  CHECK(running.pin->devices == std::vector<int>{1});
  CHECK(running.pin->start_seconds == 0.0);
  CHECK_FALSE(running.running.has_value());
}

TEST_CASE_FIXTURE(ReplanFixture,
                  "what is over needs nothing, and a stopped task goes on from its checkpoint") {
  add("done", 10);
  add("stopped", 100);
  apply(state, TaskFinished{5, "done", 10, 1, 1, "w", 1});
  apply(state, GangStarted{0, "stopped", "ddp", {}, "n0", {0}, 0});
  apply(state, CheckpointWritten{30, "stopped", 25, 1});
  apply(state, GangEnded{31, "stopped", "stopped", false});
  const Problem problem = remaining_problem(inputs());
  REQUIRE(problem.tasks.size() == 1);
  const auto& configurations = problem.tasks[0].configurations;
  REQUIRE_FALSE(configurations.empty());
  for (const Configuration& configuration : configurations) {
    if (configuration.devices == 1) CHECK(configuration.duration_seconds == doctest::Approx(2 + 75 + 1));
  }
}

TEST_CASE_FIXTURE(ReplanFixture, "a line pinned by hand keeps its devices, not its time") {
  add("waiting", 50);
  assign("waiting", {1}, 33, 53);
  plan.assignments[0].pinned = PinnedParts::whole();
  const Problem problem = remaining_problem(inputs());
  const auto& pin = task_of(problem, "waiting").pin;
  REQUIRE(pin.has_value());
  CHECK(pin->devices == std::vector<int>{1});
  CHECK_FALSE(pin->start_seconds.has_value());
}

TEST_CASE_FIXTURE(ReplanFixture, "the current plan's end is its order at observed speeds") {
  add("a", 100);
  add("b", 100);
  add("c", 10);
  assign("a", {0}, 0, 103);
  assign("b", {1}, 0, 103);
  assign("c", {0}, 103, 13);
  run("a", {0}, 50, 2);  // twice as slow
  run("b", {1}, 50, 2);
  // a has 50 steps of 2 s left and writes a checkpoint, slowly; then c, as slow.
  CHECK(projected_seconds(inputs(), remaining_problem(inputs())) == doctest::Approx(2 * 51 + 2 * 13));
}

}  // namespace
}  // namespace saturn::remaining_test
