// SPDX-License-Identifier: Apache-2.0
#include "profile/trials.h"

#include <doctest/doctest.h>

#include "profile/fixtures.h"

namespace saturn::trials_test {
using test::manifest, test::small_task, test::slots, test::script_task, test::command;

namespace {

/// "ddp 1 cpu, ddp 2 cpu": what the plan tries, in its order.
std::string trials_of(const TrialPlan& plan) {
  std::string text;
  for (const PlannedTrial& trial : plan.trials) {
    if (!text.empty()) text += ", ";
    text += trial.task->name + " " + trial.parallelism.name + " " + std::to_string(trial.devices) + " " +
            trial.device_kind;
  }
  return text;
}

Workload workload_of(std::vector<TaskSpec> tasks) {
  Workload workload;
  workload.file = "sweep.yaml";
  workload.tasks = std::move(tasks);
  return workload;
}

std::string error_of(const Workload& workload, const std::vector<Manifest>& manifests,
                     const Cluster& cluster) {
  try {
    plan_trials(workload, manifests, cluster, test::machine());
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("learning-rate twins share their trials") {
  TaskSpec twin = small_task("twin");
  twin.optimizer.lr = 0.1;
  twin.seed = 7;
  const TrialPlan plan = plan_trials(workload_of({small_task("first"), twin, small_task("wide", 128)}),
                                     {manifest("ddp")}, slots(2), test::machine());
  CHECK(trials_of(plan) == "first ddp 1 cpu, first ddp 2 cpu, wide ddp 1 cpu, wide ddp 2 cpu");
  REQUIRE(plan.tasks.size() == 3);
  CHECK(plan.tasks[0].signature == plan.tasks[1].signature);
  CHECK(plan.tasks[0].signature != plan.tasks[2].signature);
}

TEST_CASE("twins with different allowed devices get the trials of both") {
  TaskSpec one = small_task("one"), two = small_task("two");
  one.devices = {1};
  two.devices = {2};
  const TrialPlan plan = plan_trials(workload_of({one, two}), {manifest("ddp")}, slots(2), test::machine());
  CHECK(trials_of(plan) == "one ddp 1 cpu, two ddp 2 cpu");
}

TEST_CASE("task, workload, manifest and node sizes all limit the trials") {
  TaskSpec task = small_task("t");
  task.devices = {1, 2, 4, 8};
  Workload workload = workload_of({task});
  workload.parallelisms = {"ddp", "pair"};
  const TrialPlan plan = plan_trials(
      workload, {manifest("ddp"), manifest("other"), manifest("pair", {2, 16})}, slots(4), test::machine());
  CHECK(trials_of(plan) == "t ddp 1 cpu, t ddp 2 cpu, t ddp 4 cpu, t pair 2 cpu");
}

TEST_CASE("a task that may lie on several nodes is measured on whole ones, as wide as the smallest of them") {
  Cluster cluster = slots(2);
  for (const char* name : {"b", "c"}) cluster.nodes.push_back({name, "cpu", {{0, {0}, 0}, {1, {1}, 0}}});
  cluster.nodes.push_back({"small", "cpu", {{0, {2}, 0}}});
  TaskSpec task = small_task("t");
  task.across_nodes = 5;
  task.devices = {2, 4, 6};
  const TrialPlan plan = plan_trials(workload_of({task}), {manifest("ddp")}, cluster, test::machine());
  CHECK(trials_of(plan) == "t ddp 2 cpu, t ddp 4 cpu, t ddp 4 cpu");
  CHECK(plan.trials[0].nodes == 1);
  CHECK(plan.trials[1].nodes == 2);
  CHECK(plan.trials[2].nodes == 4);  // one on each: the small node has no more
  CHECK(node_counts(1).empty());
  CHECK(node_counts(2) == std::vector<std::int64_t>{2});
  CHECK(node_counts(6) == std::vector<std::int64_t>{2, 4, 6});
}

TEST_CASE("every device kind is measured, up to its largest node") {
  Cluster cluster = slots(2);
  cluster.nodes.push_back({"slow", "cpu-slow", {{0, {2}, 0}}});
  const TrialPlan plan =
      plan_trials(workload_of({small_task("t")}), {manifest("ddp")}, cluster, test::machine());
  CHECK(trials_of(plan) == "t ddp 1 cpu, t ddp 2 cpu, t ddp 1 cpu-slow");
  CHECK(plan.hardware ==
        "Fast Processor 9000; cpu: 2 devices of 1 core and 1 GiB; cpu-slow: 1 device of 1 core");
}

TEST_CASE("the hardware of GPUs is told with their model and driver") {
  Machine machine = test::machine();
  machine.gpus.driver = "580.65.06";
  const Device gpu{0, {0, 1}, Bytes{20} << 30, "GPU-1", "NVIDIA L4"};
  CHECK(hardware_text({{{"local", "l4", {gpu, gpu}}}}, machine) ==
        "Fast Processor 9000; l4: 2 devices of 2 cores and 20 GiB (NVIDIA L4, driver 580.65.06)");
}

TEST_CASE("without a list all counts to 8 are tried, then powers of two and the whole node") {
  CHECK(default_device_counts(1) == std::vector<std::int64_t>{1});
  CHECK(default_device_counts(3) == std::vector<std::int64_t>{1, 2, 3});
  CHECK(default_device_counts(8) == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7, 8});
  CHECK(default_device_counts(24) == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 16, 24});
  CHECK(default_device_counts(32) == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 16, 32});
  CHECK(default_device_counts(9) == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9});
}

TEST_CASE("unknown parallelisms and tasks that fit on nothing are reported together") {
  TaskSpec typo = small_task("typo"), large = small_task("large");
  typo.parallelisms = {"dpp"};
  typo.mark = {4, 5};
  large.devices = {4, 8};
  large.mark = {9, 5};
  CHECK(error_of(workload_of({typo, large}), {manifest("ddp"), manifest("pair", {2})}, slots(2)) ==
        "sweep.yaml:4:5: error: task 'typo': there is no parallelism 'dpp' (did you mean 'ddp'?); found: "
        "ddp, pair\n"
        "sweep.yaml:9:5: error: task 'large': fits on nothing: it may use 4 or 8 devices, its parallelisms "
        "can use "
        "ddp any number, pair 2, and the largest node has 2");
}

TEST_CASE("without any parallelism the message says so") {
  CHECK(error_of(workload_of({small_task("t")}), {}, slots(2)) ==
        "sweep.yaml: error: task 't': no parallelism is installed");
}

TEST_CASE("a script takes the one command that there is, other tasks the native ones") {
  const TrialPlan plan =
      plan_trials(workload_of({small_task("gpt"), script_task("s")}),
                  {command("c", "{arguments.depth}"), manifest("ddp")}, slots(2), test::machine());
  CHECK(trials_of(plan) == "gpt ddp 1 cpu, gpt ddp 2 cpu, s c 1 cpu");
}

TEST_CASE("script twins by same_speed share a trial") {
  TaskSpec twin = script_task("twin"), other = script_task("other");
  twin.arguments["lr"] = "0.2";
  other.arguments["depth"] = "3";
  const TrialPlan plan = plan_trials(workload_of({script_task("s"), twin, other}), {command("c", "x")},
                                     slots(1), test::machine());
  CHECK(trials_of(plan) == "s c 1 cpu, other c 1 cpu");
}

TEST_CASE("commands and tasks that do not fit are reported with the task's line") {
  const auto error = [](TaskSpec task, std::vector<std::string> names, std::vector<Manifest> manifests) {
    task.parallelisms = std::move(names);
    task.mark = {3, 5};
    const std::string text = error_of(workload_of({task}), manifests, slots(2));
    const std::string prefix = "sweep.yaml:3:5: error: task '" + task.name + "': ";
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
  };
  const Manifest one = command("one", "x"), two = command("two", "{arguments.width}"), ddp = manifest("ddp");
  CHECK(error(script_task("s"), {}, {ddp}) == "no parallelism of kind 'command' is found");
  CHECK(error(script_task("s"), {}, {two}) == "'two' cannot train it: the task has no 'arguments.width'");
  CHECK(error(script_task("s"), {"ddp"}, {ddp, one}) ==
        "'ddp' cannot train it: a task with 'arguments' is trained by commands only");
  CHECK(error(script_task("s"), {}, {one, command("three", "y")}) ==
        "several commands are found: one, three; name the one for it, or those that train the same thing, in "
        "'parallelisms'");
  CHECK(error(script_task("s"), {"one", "three"}, {one, command("three", "y")}) == "no error");
  CHECK(error(small_task("g"), {"one", "ddp"}, {one, ddp}) ==
        "may use one, ddp, commands and native ones, which do not read each other's checkpoints; name one "
        "kind in its "
        "'parallelisms'");
  CHECK(error(small_task("g"), {"one"}, {one, ddp}) == "no error");
}

}  // namespace saturn::trials_test
