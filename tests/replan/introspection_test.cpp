// SPDX-License-Identifier: Apache-2.0
#include "replan/introspection.h"

#include <doctest/doctest.h>

#include "base/clock.h"
#include "replan_fixture.h"

namespace saturn::introspection_test {
namespace {

using test::ReplanFixture;

const Assignment& line_of(const Plan& plan, const std::string& task) {
  for (const Assignment& assignment : plan.assignments) {
    if (assignment.task == task) return assignment;
  }
  FAIL("no line of " << task);
  return plan.assignments.front();
}

TEST_CASE_FIXTURE(ReplanFixture, "a plan that is as good as any is kept") {
  add("a", 100);
  add("b", 100);
  assign("a", {0}, 0, 103);
  assign("b", {1}, 0, 103);
  run("a", {0}, 10, 1);
  run("b", {1}, 10, 1);
  const Proposal proposal = reconsider(inputs(), "interval", 0.05, {});
  CHECK_FALSE(proposal.plan.has_value());
  CHECK(proposal.remaining_seconds_before == doctest::Approx(91));
}

TEST_CASE_FIXTURE(ReplanFixture, "tasks that wait behind a slow one are given to the other device") {
  add("slow", 100);
  add("fast", 100);
  for (const char* name : {"c", "d"}) add(name, 40, 64);
  assign("slow", {0}, 0, 103);
  assign("fast", {1}, 0, 103);
  assign("c", {0}, 103, 43);
  assign("d", {1}, 103, 43);
  run("slow", {0}, 10, 3);  // 90 steps of 3 s; `fast` has 10 of 1 s left
  run("fast", {1}, 90, 1);
  const Proposal proposal = reconsider(inputs(), "interval", 0.05, {});
  REQUIRE(proposal.plan.has_value());
  CHECK(proposal.remaining_seconds_after < 0.95 * proposal.remaining_seconds_before);
  CHECK(line_of(*proposal.plan, "c").node == "n0");
  CHECK(proposal.plan->assignments.size() == 4);
}

TEST_CASE_FIXTURE(ReplanFixture, "what is better is what the objective counts") {
  add("running", 300);
  add("long", 100, 64);
  add("short", 10, 64);
  for (TaskSpec& task : setup.tasks) task.devices = {1};
  assign("running", {1}, 0, 303);
  assign("long", {0}, 0, 103);
  assign("short", {0}, 103, 13);
  run("running", {1}, 0, 1);
  CHECK_FALSE(reconsider(inputs(), "interval", 0.05, {}).plan.has_value());
  setup.objective = {Objective::Kind::kMeanCompletion, 0};
  const Proposal sooner = reconsider(inputs(), "interval", 0.05, {.time_limit = Seconds(0.3)});
  REQUIRE(sooner.plan.has_value());
  CHECK(line_of(*sooner.plan, "short").start_seconds == 0);
  CHECK(sooner.remaining_seconds_after == sooner.remaining_seconds_before);
}

TEST_CASE_FIXTURE(ReplanFixture, "a deadline counts from the start of the run") {
  add("running", 300);
  assign("running", {1}, 0, 303);
  run("running", {1}, 100, 1);
  setup.objective = {Objective::Kind::kDeadline, 320};
  state.session_seconds = 100;
  CHECK(remaining_problem(inputs()).objective.deadline_seconds == 220);
  CHECK_FALSE(reconsider(inputs(), "interval", 0.05, {}).plan.has_value());  // two devices: more device time
  setup.objective.deadline_seconds = 290;
  const Proposal in_time = reconsider(inputs(), "interval", 0.05, {});
  REQUIRE(in_time.plan.has_value());
  CHECK(line_of(*in_time.plan, "running").devices.size() == 2);
  CHECK(in_time.remaining_seconds_after <= 190);
}

TEST_CASE_FIXTURE(ReplanFixture, "the threshold decides") {
  add("slow", 100);
  add("c", 40, 64);
  assign("slow", {0}, 0, 103);
  assign("c", {0}, 103, 43);  // for no reason behind the other one
  run("slow", {0}, 50, 1);
  CHECK(reconsider(inputs(), "interval", 0.05, {}).plan.has_value());
  CHECK_FALSE(reconsider(inputs(), "interval", 0.9, {}).plan.has_value());
}

TEST_CASE_FIXTURE(ReplanFixture, "a gang is not moved for less than the threshold") {
  add("a", 100);
  add("b", 100);
  for (const char* name : {"c", "d"}) add(name, 70, 64);
  for (const char* name : {"a", "b", "c", "d"}) setup.tasks[static_cast<size_t>(name[0] - 'a')].devices = {1};
  assign("a", {0}, 0, 103);
  assign("c", {0}, 103, 73);
  assign("d", {0}, 176, 73);  // for no reason behind the others
  assign("b", {1}, 0, 103);
  run("a", {0}, 60, 1);
  run("b", {1}, 20, 1);
  // Left: 41, 81, 73, 73. Staying: 41 + 73 and 81 + 73 = 154. Moving b (84 then): 41 + 84 and 73 + 73 = 146.
  const Proposal careful = reconsider(inputs(), "interval", 0.1, {});
  REQUIRE(careful.plan.has_value());
  CHECK(careful.remaining_seconds_after == doctest::Approx(154));
  const Proposal eager = reconsider(inputs(), "interval", 0.01, {});
  CHECK(eager.remaining_seconds_after < 150);
}

TEST_CASE_FIXTURE(ReplanFixture, "of several gangs only those move whose moves pay") {
  setup.cluster.nodes[0].devices.push_back({2, {2}, 0});
  add("a", 400);
  add("b", 100);
  add("c", 100);
  assign("a", {0}, 0, 403);
  assign("b", {1}, 0, 103);
  assign("c", {2}, 0, 103);
  run("a", {0}, 0, 1);
  run("b", {1}, 90, 1);
  run("c", {2}, 90, 1);
  // a ends at 401 where it is. On two devices, from now on, at 244, if b or c makes room: it ends at 14
  // or 22. Behind either of them it ends at 255; so only its own move pays.
  const Proposal proposal = reconsider(inputs(), "interval", 0.1, {});
  REQUIRE(proposal.plan.has_value());
  CHECK(line_of(*proposal.plan, "a").devices.size() == 2);
  CHECK(line_of(*proposal.plan, "b").devices == std::vector<int>{1});
  CHECK(line_of(*proposal.plan, "c").devices == std::vector<int>{2});
  CHECK(line_of(*proposal.plan, "b").duration_seconds == doctest::Approx(11));
  CHECK(proposal.plan->lower_bound_seconds <= 244);
  CHECK(proposal.plan->lower_bound_seconds > 200);
}

TEST_CASE_FIXTURE(ReplanFixture, "a plan that moves some gangs and leaves others counts what each costs") {
  for (const char* name : {"a", "b"}) add(name, 100);
  add("c", 60, 64);
  for (TaskSpec& task : setup.tasks) task.devices = {1};
  setup.cluster.nodes.push_back({"n1", "cpu", {{0, {0}, 0}}});
  assign("a", {0}, 0, 103);
  assign("b", {1}, 0, 103);
  assign("c", {1}, 103, 63);
  run("a", {0}, 50, 1);
  run("b", {1}, 50, 1);
  // Left: a and b 51 each where they run, c 63: on the new node, and nobody moves.
  const Proposal proposal = reconsider(inputs(), "a node more", 0.01, {});
  REQUIRE(proposal.plan.has_value());
  CHECK(proposal.remaining_seconds_after == doctest::Approx(63));
  CHECK(proposal.plan->lower_bound_seconds == doctest::Approx(63));
  CHECK(line_of(*proposal.plan, "c").node == "n1");
  CHECK(line_of(*proposal.plan, "a").devices == std::vector<int>{0});
  CHECK(line_of(*proposal.plan, "b").devices == std::vector<int>{1});
}

TEST_CASE_FIXTURE(ReplanFixture, "a hand-pinned gang is not moved, and stays pinned") {
  add("pinned", 400);
  add("c", 20, 64);
  assign("pinned", {0}, 0, 403);
  assign("c", {0}, 403, 23);
  plan.assignments[0].pinned = PinnedParts::whole();
  run("pinned", {0}, 10, 1);
  const Proposal proposal = reconsider(inputs(), "interval", 0.01, {});
  REQUIRE(proposal.plan.has_value());
  CHECK(line_of(*proposal.plan, "pinned").devices == std::vector<int>{0});
  CHECK(line_of(*proposal.plan, "pinned").pinned.any());
  CHECK_FALSE(line_of(*proposal.plan, "c").pinned.any());
}

TEST_CASE_FIXTURE(ReplanFixture, "a gang moves to both devices when the other one has nothing left to do") {
  add("last", 1000);
  assign("last", {0}, 0, 1003);
  run("last", {0}, 10, 1);
  const Proposal proposal = reconsider(inputs(), "interval", 0.05, {});
  REQUIRE(proposal.plan.has_value());
  CHECK(line_of(*proposal.plan, "last").devices == std::vector<int>{0, 1});
  CHECK(proposal.remaining_seconds_after == doctest::Approx(2 + 990 * 0.6 + 1 + 1));
}

TEST_CASE_FIXTURE(ReplanFixture, "the look is taken in the background and told once") {
  add("last", 1000);
  assign("last", {0}, 0, 1003);
  run("last", {0}, 10, 1);
  setup.settings.introspection_threshold = 0.05;
  std::atomic<int> woken{0};
  BackgroundIntrospector introspector([&] { return profile; }, Seconds(5), [&] { ++woken; });
  CHECK_FALSE(introspector.take().has_value());
  introspector.consider(setup, state, plan, "interval");
  std::optional<Proposal> proposal;
  const SteadyClock clock;
  const Seconds limit = clock.now() + Seconds(20);
  while (!proposal && clock.now() < limit) proposal = introspector.take();
  REQUIRE(proposal.has_value());
  CHECK(proposal->plan.has_value());
  CHECK(woken == 1);
  CHECK_FALSE(introspector.take().has_value());
}

TEST_CASE_FIXTURE(ReplanFixture,
                  "a gang that runs as its twin ran out of memory stays, and the rest is planned") {
  add("runs", 100);
  add("twin", 100);
  add("other", 50, 64);
  for (const char* task : {"runs", "twin", "other"}) assign(task, {0}, 0, 103);
  run("runs", {0}, 10, 1);
  for (const int devices : {1, 2})
    apply(state, ConfigurationRuledOut{5, "twin", "ddp", {}, "cpu", devices, "out of memory"});
  const Remaining remaining = remaining_work(inputs());
  REQUIRE(remaining.problem.tasks.size() == 2);
  CHECK(remaining.problem.tasks[0].name == "runs");
  CHECK(remaining.problem.tasks[0].configurations.empty());
  CHECK(remaining.problem.tasks[1].name == "other");
  const Proposal proposal = reconsider(inputs(), "interval", 0.05, {});
  CHECK(proposal.stranded.contains("twin"));
  REQUIRE(proposal.plan.has_value());
  REQUIRE(proposal.plan->assignments.size() == 2);
  for (const Assignment& line : proposal.plan->assignments)
    CHECK(line.devices == std::vector<int>{line.task == "runs" ? 0 : 1});
}

TEST_CASE_FIXTURE(ReplanFixture, "a gang on its way to devices that are lost meanwhile is planned anew") {
  setup.cluster.nodes.push_back({"n1", "cpu", {{0, {}, 0}, {1, {}, 0}}});
  add("moves", 100);
  assign("moves", {0, 1}, 0, 63);
  plan.assignments[0].node = "n1";
  run("moves", {0}, 40, 1);
  state.lost = {{"n1", 0}, {"n1", 1}};
  const Proposal proposal = reconsider(inputs(), "lost devices", 0.05, {});
  CHECK(proposal.remaining_seconds_before == 0);  // that plan cannot be carried out
  REQUIRE(proposal.plan.has_value());
  CHECK(proposal.plan->assignments[0].node == "n0");
  // It goes on from where its gang is, which writes a checkpoint before it leaves.
  CHECK(proposal.remaining_seconds_after == doctest::Approx(2 + 0.6 * 60 + 1));
}

}  // namespace
}  // namespace saturn::introspection_test
