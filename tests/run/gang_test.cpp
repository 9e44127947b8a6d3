// SPDX-License-Identifier: Apache-2.0
#include "run/gang.h"

#include <doctest/doctest.h>

#include "run_fixture.h"

namespace saturn::gang_test {
namespace {

using test::RunFixture;

std::vector<std::string> names(const std::vector<const Assignment*>& assignments) {
  std::vector<std::string> result;
  for (const Assignment* assignment : assignments) result.push_back(assignment->task);
  return result;
}

TEST_CASE_FIXTURE(RunFixture,
                  "an assignment does not overtake an earlier one that waits for one of its devices") {
  add("running", {0}, 0);
  add("wide", {0, 1}, 5);
  add("small", {1}, 6);
  RunState now;
  CHECK(names(due(setup, plan, now)) == std::vector<std::string>{"running"});
  apply(now, GangStarted{0, "running", "ddp", {}, "n0", {0}});
  CHECK(due(setup, plan, now).empty());
  apply(now, GangEnded{5, "running", "finished", false});
  apply(now, TaskFailed{5, "running", "for good"});
  CHECK(names(due(setup, plan, now)) == std::vector<std::string>{"wide"});
}

TEST_CASE_FIXTURE(RunFixture, "a gang across nodes waits for its devices on all of them, and keeps them") {
  setup.cluster.nodes.push_back({"n1", "cpu", {{0, {2}, 0}, {1, {3}, 0}}});
  add("running", {0}, 0);
  add("across", {0}, 5);
  add("small", {1}, 6);
  add("next", {0}, 15);
  plan.assignments[0].node = plan.assignments[2].node = "n1";
  plan.assignments[1].further = {{"n1", {1}}};
  plan.assignments[0].devices = {1};
  RunState now;
  CHECK(names(due(setup, plan, now)) == std::vector<std::string>{"running"});
  apply(now, GangStarted{0, "running", "ddp", {}, "n1", {1}});
  CHECK(due(setup, plan, now).empty());  // n0:0 is kept for the gang, n1:1 comes to it first
  CHECK(names(due(setup, plan, now, {"running"})) == std::vector<std::string>{"across"});
  apply(now, GangEnded{5, "running", "finished", false});
  apply(now, TaskFinished{5, "running", 10});
  apply(now, GangStarted{5, "across", "ddp", {}, "n0", {0}, 10, {{"n1", {1}}}});
  CHECK(now.held.at("n0") == std::set<int>{0});
  CHECK(now.held.at("n1") == std::set<int>{1});
  CHECK(same_place(*now.tasks["across"].gang, plan.assignments[1]));
  CHECK(due(setup, plan, now).empty());
  CHECK_FALSE(elsewhere(setup, plan, now, plan.assignments[1], *now.tasks["across"].gang).has_value());
  apply(now, DevicesWentAway{6, "n1", {1}, "test"});
  CHECK_FALSE(is_possible(setup, plan.assignments[1], now));
  apply(now, GangEnded{7, "across", "lost its devices", false});
  CHECK(now.held.at("n1").empty());
  CHECK(now.device_seconds == 5 + 4);
}

TEST_CASE_FIXTURE(RunFixture, "the new devices of a gang that is leaving its old ones are kept for it") {
  add("moves", {1}, 0);
  add("later", {1}, 11);
  RunState now;
  apply(now, GangStarted{0, "moves", "ddp", {}, "n0", {0}});
  CHECK(due(setup, plan, now).empty());
  apply(now, GangEnded{5, "moves", "stopped", false});
  CHECK(names(due(setup, plan, now)) == std::vector<std::string>{"moves"});
}

TEST_CASE_FIXTURE(RunFixture, "devices that are kept for trials are nobody's, and nobody's next") {
  add("running", {0}, 0);
  add("next", {0}, 5);
  add("other", {1}, 0);
  RunState now;
  apply(now, GangStarted{0, "running", "ddp", {}, "n0", {0}});
  CHECK(names(due(setup, plan, now, {"running"})) == std::vector<std::string>{"next", "other"});
  apply(now, MeasuringStarted{1, "n0", {0}});
  CHECK(names(due(setup, plan, now, {"running"})) == std::vector<std::string>{"other"});
  apply(now, MeasuringStarted{1, "n0", {0, 1}});
  CHECK(due(setup, plan, now, {"running"}).empty());
  apply(now, MeasuringEnded{2, "measured"});
  CHECK(names(due(setup, plan, now, {"running"})) == std::vector<std::string>{"next", "other"});
}

TEST_CASE_FIXTURE(RunFixture,
                  "a session after a killed one finds nothing running, and what failed or grew waiting") {
  for (const char* name : {"running", "failed", "longer", "done"}) add(name, {0}, 0);
  setup.tasks[2].steps = 20;
  setup.tasks[3].steps = 10;
  RunState past;
  apply(past, GangStarted{0, "running", "ddp", {}, "n0", {0}});
  apply(past, TaskFailed{1, "failed", "why"});
  apply(past, TaskFinished{2, "longer", 10, 1, 1, "w", 1});
  apply(past, TaskFinished{3, "done", 10, 1, 1, "w", 1});
  CHECK(tasks_to_reopen(setup.tasks, past) == std::vector<std::string>{"failed", "longer"});
  const RunState now = next_session(past, setup.tasks);
  CHECK_FALSE(now.tasks.at("running").holds_devices);
  for (const char* name : {"running", "failed", "longer"}) {
    CAPTURE(name);
    CHECK(now.tasks.at(name).phase == TaskState::Phase::kWaiting);
  }
  CHECK(now.tasks.at("done").phase == TaskState::Phase::kFinished);
}

TEST_CASE_FIXTURE(RunFixture, "a gang's command lines name the job, the rank and the rendezvous") {
  add("a", {0, 1}, 0);
  const GangSpec gang = make_gang(setup, plan.assignments[0]);
  const std::string job = setup.directory.task_directory("a") / "job.json";
  CHECK(gang.ranks == std::vector<std::vector<std::string>>{
                          {"/bin/worker", "--job", job, "--rank", "0", "--rendezvous", "{rendezvous}"},
                          {"/bin/worker", "--job", job, "--rank", "1", "--rendezvous", "{rendezvous}"}});
  CHECK(make_job(setup, plan.assignments[0]).devices == setup.cluster.nodes[0].devices);
}

TEST_CASE_FIXTURE(RunFixture, "a plan that cannot be run names every reason with its place") {
  add("known", {0}, 0);
  add("unplanned", {0}, 0);
  plan.assignments.resize(1);
  plan.assignments.push_back(
      {.task = "knwon", .parallelism = "dpp", .knobs = {}, .node = "n1", .devices = {0}, .mark = {7, 5}});
  plan.assignments.push_back({.task = "known",
                              .parallelism = "ddp",
                              .knobs = {},
                              .node = "n0",
                              .devices = {1, 1, 2},
                              .mark = {9, 5}});
  plan.file = "mine.json";
  std::vector<std::string> texts;
  for (const Diagnostic& diagnostic : check_executable(setup, plan, {})) {
    CHECK(diagnostic.file == "mine.json");
    texts.push_back(std::to_string(diagnostic.line) + ": " + diagnostic.message);
  }
  CHECK(texts == std::vector<std::string>{
                     "7: the workload has no task 'knwon' (did you mean 'known'?)",
                     "7: task 'knwon': there is no parallelism 'dpp' (did you mean 'ddp'?)",
                     "7: task 'knwon': the cluster has no node 'n1' (did you mean 'n0'?)",
                     "9: task 'known': device 1 is named twice",
                     "9: task 'known': node 'n0' has no device 2 (it has 2, counted from 0)",
                     "9: task 'known' is planned twice", "0: task 'unplanned' is not in the plan"});
}

}  // namespace
TEST_CASE_FIXTURE(RunFixture,
                  "what waits at a rung need not be in the plan: a plan of what is left leaves it out") {
  add("waits", {0}, 0);
  plan.assignments.clear();
  RunState now;
  apply(now, GangStarted{0, "waits", "ddp", {}, "n0", {0}, 10});
  CHECK(check_executable(setup, plan, now).size() == 1);
  apply(now, TaskPaused{5, "waits", 10, 2, 3});
  apply(now, GangEnded{6, "waits", "stopped", false});
  CHECK(check_executable(setup, plan, now).empty());
}

TEST_CASE_FIXTURE(RunFixture,
                  "a command is one rank, whatever its devices; left out knobs are the first candidates") {
  add("a", {0, 1}, 0);
  setup.saturn = "/bin/saturn";
  Manifest manifest{.name = "script", .description = "", .kind = "command"};
  manifest.command.argv = {"run", "{devices}", "{knobs.mode}"};
  manifest.knobs = {{"mode", {"fast", "slow"}}};
  setup.manifests.push_back(manifest);
  plan.assignments[0].parallelism = "script";
  const std::string file = setup.directory.task_directory("a") / "job.json";
  CHECK(make_gang(setup, plan.assignments[0]).ranks ==
        std::vector<std::vector<std::string>>{{"/bin/saturn", "script", "--job", file}});
  const Job job = make_job(setup, plan.assignments[0]);
  CHECK(command_line(job, job.knobs, "").argv == std::vector<std::string>{"run", "2", "fast"});
  CHECK(command_line(job, {{"mode", "slow"}}, "").argv.back() == "slow");
}

TEST_CASE_FIXTURE(RunFixture, "knobs outside of their candidates are named with them") {
  add("a", {0}, 0);
  add("b", {0}, 0);
  setup.manifests = {{.name = "ddp", .description = "", .kind = "native"},
                     {.name = "c", .description = "", .kind = "command"}};
  setup.manifests[0].knobs = setup.manifests[1].knobs = {{"bucket", {"1", "25"}}};
  plan.assignments[0].knobs = {{"bucket", "7"}, {"of_its_own", "1"}};
  plan.assignments[1].parallelism = "c";
  plan.assignments[1].knobs = {{"buckt", "1"}};
  std::vector<std::string> texts;
  for (const Diagnostic& wrong : check_executable(setup, plan, {})) texts.push_back(wrong.message);
  CHECK(texts ==
        std::vector<std::string>{
            "task 'a': knob 'bucket' of parallelism 'ddp' is 7, which is none of its candidates 1, 25",
            "task 'b': parallelism 'c' has no knob 'buckt' (did you mean 'bucket'?)"});
}

TEST_CASE_FIXTURE(RunFixture, "a script that ended early has finished, until it is to have more steps") {
  add("early", {0}, 0);
  setup.tasks[0].steps = 100;
  RunState past;
  apply(past, TaskFinished{2, "early", 60, 1, 1, "", 1, 100});
  CHECK(tasks_to_reopen(setup.tasks, past).empty());
  setup.tasks[0].steps = 101;
  CHECK(tasks_to_reopen(setup.tasks, past) == std::vector<std::string>{"early"});
}

TEST_CASE_FIXTURE(RunFixture, "a task that ended early by its rule is run again when the rule has changed") {
  add("early", {0}, 0);
  setup.tasks[0].steps = 100;
  setup.tasks[0].stop.patience = 3;
  RunState past;
  apply(past, TaskFinished{2, "early", 60, 1, 1, "", 1, 100, "no improvement",
                           R"({"patience":3,"min_improvement":0.0})"});
  CHECK(tasks_to_reopen(setup.tasks, past).empty());
  setup.tasks[0].stop.patience = 4;
  CHECK(tasks_to_reopen(setup.tasks, past) == std::vector<std::string>{"early"});
  CHECK(next_session(past, setup.tasks).tasks.at("early").ended_early.empty());
  setup.tasks[0].stop = {};
  CHECK(tasks_to_reopen(setup.tasks, past) == std::vector<std::string>{"early"});
  apply(past, TaskFinished{2, "early", 100, 1, 1, "", 1, 100});  // at its last step it is over by any rule
  CHECK(tasks_to_reopen(setup.tasks, past).empty());
}

TEST_CASE_FIXTURE(RunFixture, "the job says how long a script may take to leave") {
  add("a", {0}, 0);
  setup.settings.stop_grace_seconds = 7;
  CHECK(make_job(setup, plan.assignments[0]).stop_grace_seconds == 7);
}

}  // namespace saturn::gang_test
