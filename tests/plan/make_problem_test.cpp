// SPDX-License-Identifier: Apache-2.0
#include "plan/make_problem.h"

#include <doctest/doctest.h>

#include "plan/fixtures.h"

namespace saturn::make_problem_test {
namespace {

TaskSpec spec(const std::string& name, std::int64_t batch_size) {
  TaskSpec task;
  task.name = name;
  task.model.gpt = {2, 2, 32, 16, 256};
  task.batch_size = batch_size;
  task.steps = 100;
  return task;
}

Measured measured(double step_seconds) {
  Measured result;
  result.step_seconds = step_seconds;
  result.startup_seconds = 1;
  result.checkpoint_seconds = 0.5;
  result.checkpoint_held_seconds = 0.125;
  result.validation_seconds = 0.25;
  return result;
}

Trial trial(const TaskSpec& task, std::int64_t devices, Outcome outcome, Knobs knobs = {}) {
  return {speed_signature(task), "ddp", devices, "cpu", std::move(knobs), std::move(outcome)};
}

Cluster two_slots() {
  Cluster cluster;
  cluster.nodes = {{"local", "cpu", {Device{0, {}, 0}, Device{1, {}, 0}}}};
  return cluster;
}

TEST_CASE("A duration is start-up, steps, and the validations and checkpoints on the way and at the end") {
  TaskSpec task = spec("a", 4);
  RunSettings run;
  run.checkpoint_interval_seconds = 4;
  CHECK(duration_seconds(task, measured(0.1), run, 100) == doctest::Approx(1 + 10 + 0.25 + 2 * 0.125 + 0.5));
  task.validate_every_steps = 50;    // at 50, and at the end for 100
  task.checkpoint_every_steps = 40;  // at 40 and 80, and at the end
  CHECK(duration_seconds(task, measured(0.1), run, 100) ==
        doctest::Approx(1 + 10 + 2 * 0.25 + 2 * 0.125 + 0.5));
  CHECK(duration_seconds(task, measured(0.1), run, 0) == doctest::Approx(1 + 0.25 + 0.5));
}

TEST_CASE("Trials on several nodes become gangs across nodes, where the cluster has the nodes") {
  TaskSpec a = spec("a", 4);
  a.across_nodes = 3;
  Profile profile;
  profile.trials = {trial(a, 2, measured(0.2)), trial(a, 2, measured(0.1)), trial(a, 4, measured(0.05)),
                    trial(a, 6, measured(0.04))};
  for (const size_t i : {1, 2}) profile.trials[i].nodes = 2;
  profile.trials[3].nodes = 3;
  order_trials(profile.trials);
  Cluster two = two_slots();
  two.nodes.push_back(two.nodes[0]);
  two.nodes[1].name = "other";
  const auto ways = make_problem({a}, two, profile, {}).tasks[0].configurations;
  REQUIRE(ways.size() == 3);
  CHECK(ways[0].nodes == 1);
  CHECK(ways[1].nodes == 2);
  CHECK(ways[1].devices == 2);
  CHECK(ways[1].duration_seconds < ways[0].duration_seconds);
  CHECK(ways[2].devices_per_node() == 2);
  CHECK(unavailable_ways(a, two, profile) ==
        std::vector<std::string>{"ddp on 6 x cpu over 3 nodes: only 2 nodes have 2 or more cpu device(s)"});
  CHECK(make_problem({a}, two_slots(), profile, {}).tasks[0].configurations.size() == 1);
  a.across_nodes = 1;
  CHECK(make_problem({a}, two, profile, {}).tasks[0].configurations.size() == 1);
  CHECK(unavailable_ways(a, two, profile).front() ==
        "ddp on 2 x cpu over 2 nodes: the task allows 1 node (across_nodes)");
}

TEST_CASE("A task gets the best candidate of each parallelism and device count") {
  const TaskSpec a = spec("a", 4);
  const TaskSpec b = spec("b", 8);
  Profile profile;
  profile.trials = {trial(a, 1, measured(0.2), {{"bucket_mb", "25"}}),
                    trial(a, 1, measured(0.3), {{"bucket_mb", "5"}}), trial(a, 2, measured(0.1)),
                    trial(b, 1, OutOfMemory{"over by 1 MiB"}), trial(b, 2, measured(0.4))};
  RunSettings run;
  const Problem problem = make_problem({a, b}, two_slots(), profile, run, {{"b", 10}});
  REQUIRE(problem.tasks.size() == 2);
  REQUIRE(problem.tasks[0].configurations.size() == 2);
  CHECK(problem.tasks[0].configurations[0].knobs == Knobs{{"bucket_mb", "25"}});
  CHECK(problem.tasks[0].configurations[0].duration_seconds == doctest::Approx(21.75));
  CHECK(problem.tasks[0].configurations[1].devices == 2);
  REQUIRE(problem.tasks[1].configurations.size() == 1);
  CHECK(problem.tasks[1].configurations[0].duration_seconds ==
        doctest::Approx(1 + 4 + 0.75));  // 10 steps are left
  CHECK(problem.nodes[0].free_at_seconds == std::vector<double>{0, 0});
}

TEST_CASE("Allowed device counts and parallelisms are kept to") {
  TaskSpec a = spec("a", 4);
  Profile profile;
  profile.trials = {trial(a, 1, measured(0.2)), trial(a, 2, measured(0.1))};
  a.devices = {2};
  const Problem problem = make_problem({a}, two_slots(), profile, {});
  REQUIRE(problem.tasks[0].configurations.size() == 1);
  CHECK(problem.tasks[0].configurations[0].devices == 2);
}

TEST_CASE("Every task that can run in no way is reported with all that was tried") {
  TaskSpec a = spec("a", 4);
  const TaskSpec b = spec("b", 8);
  Profile profile;
  profile.trials = {trial(a, 1, OutOfMemory{"out of memory: needs 12 MiB more than 512 MiB"}),
                    trial(a, 2, NotApplicable{"batch 4 is not divisible"}, {{"k", "1"}}),
                    trial(a, 3, TrialFailed{"killed", ""}), trial(a, 4, measured(1))};
  std::string text;
  try {
    (void)make_problem({a, b}, two_slots(), profile, {});
  } catch (const InputError& error) {
    text = error.what();
  }
  CHECK(text ==
        "error: task 'a' can run in no way that was tried:\n"
        "    ddp on 1 x cpu: out of memory: needs 12 MiB more than 512 MiB\n"
        "    ddp (k=1) on 2 x cpu: not applicable: batch 4 is not divisible\n"
        "    ddp on 3 x cpu: the largest cpu node has 2 device(s)\n"
        "    ddp on 4 x cpu: the largest cpu node has 2 device(s)\n"
        "error: task 'b' has not been profiled");
}

}  // namespace
}  // namespace saturn::make_problem_test
