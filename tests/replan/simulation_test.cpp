// SPDX-License-Identifier: Apache-2.0
#include "replan/simulation.h"

#include <doctest/doctest.h>

#include "replan_fixture.h"

namespace saturn::simulation_test {
namespace {

using test::ReplanFixture;

struct SimulationFixture : ReplanFixture {
  std::vector<std::string> messages;
  Simulation simulation;

  struct Recorder final : RunObserver {
    SimulationFixture& fixture;
    explicit Recorder(SimulationFixture& f) : fixture(f) {}
    void message(const std::string& text) override { fixture.messages.push_back(text); }
    void update(const RunState&, const Plan&) override {}
  };

  void plan_all() { plan = solve(remaining_problem(inputs()), {.work = 1'000'000}); }
  SimulatedRun simulate_it() {
    ManualClock clock;
    Recorder recorder(*this);
    return simulate(setup, profile, plan, state, simulation, clock, recorder);
  }
};

TEST_CASE_FIXTURE(SimulationFixture, "at the profile's speeds a run takes what was planned") {
  for (const char* name : {"a", "b", "c", "d", "e"}) add(name, 4000, 32 + 8 * (name[0] - 'a'));
  setup.tasks[1].validate_every_steps = 500;
  setup.settings.checkpoint_interval_seconds = 300;
  for (Trial& trial : profile.trials) {
    std::get<Measured>(trial.outcome).validation_seconds = 7;
    std::get<Measured>(trial.outcome).checkpoint_held_seconds = 0.5;
  }
  plan_all();
  simulation.introspect = false;
  const SimulatedRun run = simulate_it();
  CHECK(run.end == RunEnd::kDone);
  CHECK(run.state.elapsed_seconds() == doctest::Approx(plan.makespan_seconds).epsilon(0.002));
  CHECK(run.state.plans.size() == 1);
  CHECK(messages.empty());
}

TEST_CASE_FIXTURE(SimulationFixture, "same seed, same run; another seed, another one") {
  for (const char* name : {"a", "b", "c", "d"}) add(name, 2000, 32 + 8 * (name[0] - 'a'));
  plan_all();
  simulation.noise = 0.2;
  const double first = simulate_it().state.elapsed_seconds();
  CHECK(first != doctest::Approx(plan.makespan_seconds));
  CHECK(simulate_it().state.elapsed_seconds() == first);
  simulation.seed = 1;
  CHECK(simulate_it().state.elapsed_seconds() != first);
}

TEST_CASE_FIXTURE(SimulationFixture, "a slow task is answered by a better plan, and both times are told") {
  add("slow", 1000);
  add("fast", 1000);
  for (const char* name : {"c", "d"}) add(name, 400, 64);
  for (TaskSpec& task : setup.tasks) task.devices = {1};
  assign("slow", {0}, 0, 1003);
  assign("fast", {1}, 0, 1003);
  assign("c", {0}, 1003, 403);
  assign("d", {1}, 1003, 403);
  plan.makespan_seconds = 1406;
  simulation.speeds["slow"] = 0.5;
  simulation.introspect = false;
  const double one_shot = simulate_it().state.elapsed_seconds();
  CHECK(one_shot == doctest::Approx(2003 + 403).epsilon(0.01));
  simulation.introspect = true;
  const SimulatedRun run = simulate_it();
  CHECK(run.state.elapsed_seconds() == doctest::Approx(2003).epsilon(0.01));
  CHECK(run.state.tasks.at("slow").starts == 1);
  CHECK(run.state.plans.size() >= 2);
  REQUIRE_FALSE(messages.empty());
  CHECK(messages[0].starts_with("a better plan for what is left (interval): "));
}

TEST_CASE_FIXTURE(SimulationFixture, "a node that is lost and comes back") {
  setup.cluster.nodes.push_back({"n1", "cpu", {{0, {2}, 0}, {1, {3}, 0}}});
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) add(name, 1000, 32 + 8 * (name[0] - 'a'));
  setup.settings.checkpoint_interval_seconds = 60;
  plan_all();
  simulation.outages = {{.at_seconds = 300, .node = "n1", .devices = {0, 1}}};
  const SimulatedRun lost = simulate_it();
  CHECK(lost.end == RunEnd::kDone);
  CHECK(lost.state.elapsed_seconds() > 1.2 * plan.makespan_seconds);
  simulation.outages[0].back_at_seconds = 700;
  const SimulatedRun back = simulate_it();
  CHECK(back.end == RunEnd::kDone);
  CHECK(back.state.elapsed_seconds() < lost.state.elapsed_seconds());
  CHECK(back.state.elapsed_seconds() > plan.makespan_seconds);
  const RunState replayed = replay(back.records);
  for (const auto& [name, task] : back.state.tasks)
    CHECK(replayed.tasks.at(name).busy_seconds == task.busy_seconds);
}

TEST_CASE_FIXTURE(SimulationFixture, "gangs are not taken for hung, however seldom the plan is looked at") {
  for (const char* name : {"a", "b", "c"}) add(name, 20'000, 32 + 8 * (name[0] - 'a'));
  plan_all();
  simulation.noise = 0.2;
  for (const double interval : {0.0, 10'000.0}) {
    setup.settings.introspection_interval_seconds = interval;
    const SimulatedRun run = simulate_it();
    CHECK(run.end == RunEnd::kDone);
    for (const auto& [name, task] : run.state.tasks) CHECK(task.failures == 0);
  }
}

TEST_CASE_FIXTURE(SimulationFixture, "a run that was stopped is simulated on from where it stands") {
  add("a", 1000);
  plan_all();
  run("a", {0}, 600, 1);
  apply(state, CheckpointWritten{600, "a", 600, 1});
  apply(state, GangEnded{610, "a", "stopped", false});
  const SimulatedRun rest = simulate_it();
  CHECK(rest.end == RunEnd::kDone);
  CHECK(rest.state.tasks.at("a").step == 1000);
  CHECK(rest.state.session_seconds < 450);
}

}  // namespace
}  // namespace saturn::simulation_test
