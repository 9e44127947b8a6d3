// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "replan/introspection.h"
#include "replan/standing_devices.h"
#include "replan_fixture.h"

namespace saturn::lost_devices_test {
namespace {

using test::ReplanFixture;

/// Two nodes: "n0" with three devices, "n1" with two.
struct TwoNodes : ReplanFixture {
  TwoNodes() {
    setup.cluster.nodes[0].devices.push_back({2, {2}, 0});
    setup.cluster.nodes.push_back({"n1", "cpu", {{0, {3}, 0}, {1, {4}, 0}}});
  }
  void lose(const std::string& node, std::vector<int> devices) {
    apply(state, DevicesWentAway{10, node, std::move(devices), "test"});
  }
};

const Assignment& line_of(const Plan& plan, const std::string& task) {
  for (const Assignment& line : plan.assignments)
    if (line.task == task) return line;
  FAIL("no line of " << task);
  return plan.assignments.front();
}

TEST_CASE_FIXTURE(TwoNodes, "standing devices are numbered without holes, nodes without any are gone") {
  const StandingDevices standing(setup.cluster, {{"n0", 1}, {"n1", 0}, {"n1", 1}});
  REQUIRE(standing.cluster().nodes.size() == 1);
  CHECK(standing.cluster().nodes[0].devices.size() == 2);
  CHECK(standing.cluster().nodes[0].devices[1].cores == std::vector<int>{2});
  CHECK(standing.numbered("n0", {0, 1, 2}) == std::vector<int>{0, -1, 1});
  CHECK(standing.original("n0", {0, 1}) == std::vector<int>{0, 2});
}

TEST_CASE_FIXTURE(TwoNodes, "what waits for lost devices is given others, and what runs stays") {
  add("runs", 100);
  add("waits", 50, 64);
  for (TaskSpec& task : setup.tasks) task.devices = {1};
  assign("runs", {2}, 0, 103);
  assign("waits", {1}, 0, 53);
  run("runs", {2}, 10, 1);
  lose("n0", {0, 1});
  lose("n1", {1});
  const Proposal proposal = reconsider(inputs(), "lost", 0.05, {});
  REQUIRE(proposal.plan.has_value());
  CHECK(proposal.remaining_seconds_before == 0);  // the plan cannot be carried out
  CHECK(line_of(*proposal.plan, "runs").devices == std::vector<int>{2});
  CHECK(line_of(*proposal.plan, "runs").duration_seconds == doctest::Approx(91));
  CHECK(line_of(*proposal.plan, "waits").node == "n1");
  CHECK(line_of(*proposal.plan, "waits").devices == std::vector<int>{0});
}

TEST_CASE_FIXTURE(TwoNodes, "a gang that lost a device starts anew elsewhere, from its checkpoint") {
  add("hit", 100);
  assign("hit", {0}, 0, 103);
  run("hit", {0}, 60, 1);
  state.tasks["hit"].step = 40;
  lose("n0", {0, 1, 2});
  const Proposal proposal = reconsider(inputs(), "lost", 0.05, {});
  REQUIRE(proposal.plan.has_value());
  const Assignment& line = line_of(*proposal.plan, "hit");
  CHECK(line.node == "n1");
  CHECK(line.duration_seconds == doctest::Approx(2 + 60 * 0.6 + 1));
}

TEST_CASE_FIXTURE(TwoNodes, "what fits on nothing that is left is stranded, the others go on") {
  add("wide", 100);
  add("narrow", 100, 64);
  setup.tasks[0].devices = {2};
  setup.tasks[1].devices = {1};
  assign("wide", {0, 1}, 0, 63);
  assign("narrow", {2}, 0, 103);
  lose("n0", {0, 1});
  lose("n1", {0});
  const Proposal proposal = reconsider(inputs(), "lost", 0.05, {});
  REQUIRE(proposal.stranded.contains("wide"));
  CHECK(
      proposal.stranded.at("wide") ==
      "task 'wide' can run in no way that was tried:\n    ddp on 1 x cpu: the task allows 2 device(s) only\n"
      "    ddp on 2 x cpu: the largest cpu node has 1 device(s)");
  CHECK_FALSE(proposal.plan.has_value());  // of the rest nothing has to change
  CHECK(proposal.remaining_seconds_before == doctest::Approx(103));
  CHECK_THROWS_AS(remaining_problem(inputs()), InputError);
}

TEST_CASE_FIXTURE(TwoNodes, "a way that ran out of memory is none for the task and its twins") {
  add("big", 100);
  add("twin", 100);
  add("other", 100, 64);
  assign("big", {0}, 0, 103);
  assign("twin", {1}, 0, 103);
  assign("other", {2}, 0, 103);
  apply(state, ConfigurationRuledOut{5, "big", "ddp", {}, "cpu", 1, "out of memory: 2 over 1"});
  const Proposal proposal = reconsider(inputs(), "memory", 0.05, {});
  REQUIRE(proposal.plan.has_value());
  CHECK(line_of(*proposal.plan, "big").devices.size() == 2);
  CHECK(line_of(*proposal.plan, "twin").devices.size() == 2);
  apply(state, ConfigurationRuledOut{6, "big", "ddp", {}, "cpu", 2, "out of memory: 3 over 1"});
  const Proposal none = reconsider(inputs(), "memory", 0.05, {});
  CHECK(none.stranded.size() == 2);
  CHECK(none.stranded.at("big") ==
        "task 'big' can run in no way that was tried:\n    ddp on 1 x cpu: out of memory: 2 over 1 (in the "
        "run)\n    ddp on 2 x cpu: out of memory: 3 over 1 (in the run)");
}

TEST_CASE_FIXTURE(TwoNodes, "a pin gives way when its devices are lost") {
  add("pinned", 100);
  assign("pinned", {0}, 0, 103);
  plan.assignments[0].pinned = PinnedParts::whole();
  lose("n0", {0});
  const Proposal proposal = reconsider(inputs(), "lost", 0.05, {});
  REQUIRE(proposal.plan.has_value());
  CHECK(line_of(*proposal.plan, "pinned").devices.size() == 2);
}

/// A gang of "a" trains on device 1 of both nodes, as was measured: 0.4 s a step.
struct AcrossNodes : TwoNodes {
  AcrossNodes() {
    add("a", 100);
    for (const int devices : {2, 4}) {
      Trial trial = profile.trials.front();
      trial.devices = devices;
      trial.nodes = 2;
      std::get<Measured>(trial.outcome).step_seconds = devices == 2 ? 0.4 : 0.3;
      profile.trials.push_back(trial);
    }
    order_trials(profile.trials);
    assign("a", {1}, 0, 43);
    plan.assignments[0].further = {{"n1", {1}}};
    apply(state, GangStarted{0, "a", "ddp", {}, "n0", {1}, 43, {{"n1", {1}}}});
    apply(state, GangReleased{2, "a", 0, 2});
    state.tasks["a"].live_step = 10;
    state.tasks["a"].step_seconds = 0.4;
  }
};

TEST_CASE_FIXTURE(AcrossNodes, "a gang across nodes may stay on its devices, as they are numbered now") {
  lose("n0", {0});
  lose("n1", {0});
  const Problem problem = remaining_problem(inputs());
  REQUIRE(problem.tasks.size() == 1);
  REQUIRE(problem.tasks[0].running.has_value());
  const Running& running = *problem.tasks[0].running;
  CHECK(running.devices == std::vector<int>{0});
  CHECK(running.further == std::vector<GangPart>{{1, {0}}});
  CHECK(running.staying.nodes == 2);
  CHECK(running.staying.duration_seconds == doctest::Approx(90 * 0.4 + 1));
  const Plan projected = projected_plan(inputs(), problem);
  CHECK(projected.assignments[0].further == std::vector<NodeDevices>{{"n1", {0}}});
  CHECK(stays(problem, projected.assignments[0]));
  CHECK(in_cluster(inputs(), projected).assignments[0].further == std::vector<NodeDevices>{{"n1", {1}}});
}

TEST_CASE_FIXTURE(AcrossNodes, "a gang that has lost a part is planned anew on what is left") {
  lose("n1", {1});
  const Proposal proposal = reconsider(inputs(), "lost", 0.05, {.work = 100000});
  REQUIRE(proposal.plan.has_value());
  const Assignment& line = line_of(*proposal.plan, "a");
  for (const NodeDevices& part : line.further) CHECK(part.devices == std::vector<int>{0});
  CHECK(line.devices.size() + line.further.size() >= 2);
}

}  // namespace
}  // namespace saturn::lost_devices_test
