// SPDX-License-Identifier: Apache-2.0
// Runs with a budget in simulated time: it is held, and used for as many tasks as possible.
#include <cmath>
#include <doctest/doctest.h>
#include <random>

#include "many.h"
#include "replan/simulation.h"
#include "replan_fixture.h"
#include "run/accounting.h"

namespace saturn::budget_test {
namespace {

using Phase = TaskState::Phase;

struct BudgetFixture : test::ReplanFixture {
  Simulation simulation;
  std::vector<std::string> messages;

  struct Recorder final : RunObserver {
    BudgetFixture& fixture;
    explicit Recorder(BudgetFixture& f) : fixture(f) {}
    void message(const std::string& text) override { fixture.messages.push_back(text); }
    void update(const RunState&, const Plan&) override {}
  };

  BudgetFixture() { setup.settings.introspection_interval_seconds = 30; }

  void limit(Budget budget) {
    setup.budget = budget;
    setup.costs = gang_costs(setup.tasks, setup.settings, profile);
  }
  SimulatedRun go(std::int64_t work = 300'000) {
    plan = solve(remaining_problem(inputs()), {.work = work});
    ManualClock clock;
    Recorder recorder(*this);
    simulation.look_work = work / 6;
    return simulate(setup, profile, plan, state, simulation, clock, recorder);
  }
  static int finished(const RunState& state) {
    int count = 0;
    for (const auto& [name, task] : state.tasks) count += task.phase == Phase::kFinished ? 1 : 0;
    return count;
  }
  static std::int64_t steps(const RunState& state, const std::string& task) {
    return state.task(task) == nullptr ? 0 : state.task(task)->step;
  }
  static double last_end(const std::vector<Record>& records) {
    double last = 0;
    for (const Record& record : records)
      if (const auto* ended = std::get_if<GangEnded>(&record)) last = std::max(last, ended->at);
    return last;
  }
};

TEST_CASE_FIXTURE(BudgetFixture,
                  "by the deadline as many as possible have finished, and the others have a checkpoint") {
  for (int t = 0; t < 6; ++t) add("t" + std::to_string(t), 100 * (t + 1), 32 + 8 * t);
  for (TaskSpec& task : setup.tasks) task.devices = {1};
  limit({.seconds = 430});
  const SimulatedRun run = go();
  CHECK(run.end == RunEnd::kOutOfBudget);
  CHECK(last_end(run.records) <= 430);
  CHECK(finished(run.state) == 3);  // 100 + 300 and 200 on two devices
  // They end after 303 and 306 s; the rest of the time is for others.
  CHECK(steps(run.state, "t3") + steps(run.state, "t4") + steps(run.state, "t5") >= 220);
  const Accounts accounts = account(run.records);
  CHECK(accounts.idle < 0.05 * accounts.device_seconds);
  CHECK(std::get<SessionEnded>(run.records.back()).why == "the budget is spent");

  // A larger one goes on from there.
  state = next_session(run.state, setup.tasks);
  limit({.seconds = 5000});
  const SimulatedRun rest = go();
  CHECK(rest.end == RunEnd::kDone);
  CHECK(finished(rest.state) == 6);
}

TEST_CASE_FIXTURE(BudgetFixture, "a budget that is large enough changes nothing") {
  for (const char* name : {"a", "b", "c"}) add(name, 200, 32 + 8 * (name[0] - 'a'));
  const SimulatedRun without = go();
  limit({.seconds = 10'000, .device_seconds = 10'000});
  const SimulatedRun with = go();
  CHECK(with.end == RunEnd::kDone);
  CHECK(with.state.elapsed_seconds() == doctest::Approx(without.state.elapsed_seconds()));
}

TEST_CASE_FIXTURE(BudgetFixture, "device time is spent on what can end, and not overdrawn") {
  for (int t = 0; t < 4; ++t) add("t" + std::to_string(t), 300, 32 + 8 * t);
  limit({.device_seconds = 700});
  const SimulatedRun run = go();
  CHECK(run.end == RunEnd::kOutOfBudget);
  CHECK(finished(run.state) == 2);  // without a choice two gangs would share it, and then the other two
  const double used = account(run.records).gangs.total();
  CHECK(used <= 700);
  CHECK(used > 650);

  // The whole run counts, over all sessions.
  state = next_session(run.state, setup.tasks);
  limit({.device_seconds = 1000});
  const SimulatedRun rest = go();
  CHECK(rest.end == RunEnd::kOutOfBudget);
  CHECK(finished(rest.state) == 3);
  CHECK(rest.state.device_seconds <= 1000);
}

TEST_CASE_FIXTURE(BudgetFixture, "after the deadline nothing is started any more") {
  add("a", 100);
  limit({.seconds = -10});
  const SimulatedRun run = go();
  CHECK(run.end == RunEnd::kOutOfBudget);
  for (const Record& record : run.records) CHECK_FALSE(std::holds_alternative<GangStarted>(record));
}

/// Every seed is a run with a budget that it may or may not fit.
struct RandomBudget : BudgetFixture {
  explicit RandomBudget(std::uint64_t seed) {
    std::mt19937_64 bits(seed);
    const auto draw = [&](int below) { return static_cast<int>(bits() % static_cast<std::uint64_t>(below)); };
    setup.cluster.nodes.clear();
    for (int n = 0, nodes = 1 + draw(2); n < nodes; ++n) {
      Node node{"n" + std::to_string(n), "cpu", {}};
      for (int d = 0, devices = 1 + draw(3); d < devices; ++d) node.devices.push_back({d, {}, 0});
      setup.cluster.nodes.push_back(node);
    }
    setup.settings.checkpoint_interval_seconds = draw(2) * 60;
    setup.settings.introspection_interval_seconds = draw(3) * 45;
    double work = 0;
    for (int t = 0, tasks = 1 + draw(6); t < tasks; ++t) {
      add("t" + std::to_string(t), 20 + draw(400), 32 + 8 * draw(3));
      work += static_cast<double>(setup.tasks.back().steps);
      if (draw(3) == 0) simulation.speeds[setup.tasks.back().name] = 0.4 + 0.3 * draw(4);
    }
    simulation.noise = 0.1 * draw(3);
    simulation.seed = seed;
    const double devices = setup.cluster.device_count();
    const double share = 0.1 * (1 + draw(12));
    const int kind = draw(3);
    limit({.seconds = kind == 1 ? HUGE_VAL : std::max(20.0, share * work / devices),
           .device_seconds = kind == 0 ? HUGE_VAL : std::max(30.0, share * work)});
  }
};

TEST_CASE("in random runs a budget is never overdrawn, and a larger one goes on from there") {
  for (int seed = 0; seed < test::many(1000); ++seed) {
    RandomBudget random(static_cast<std::uint64_t>(seed));
    CAPTURE(seed);
    const SimulatedRun run = random.go(30'000);
    const Accounts accounts = account(run.records);
    const int done = BudgetFixture::finished(run.state);
    CHECK(BudgetFixture::last_end(run.records) <= random.setup.budget.seconds + 1e-6);
    // A step under way may take longer than any before it.
    CHECK(accounts.gangs.total() <=
          random.setup.budget.device_seconds + 2.0 * random.setup.cluster.device_count());
    CHECK((run.end == RunEnd::kDone) == (done == static_cast<int>(random.setup.tasks.size())));
    CHECK((run.end == RunEnd::kDone || run.end == RunEnd::kOutOfBudget));
    for (const auto& [name, task] : run.state.tasks) CHECK(task.failures == 0);
    if (run.end == RunEnd::kDone) continue;
    random.state = next_session(run.state, random.setup.tasks);
    random.limit({});
    const SimulatedRun rest = random.go(30'000);
    CHECK(rest.end == RunEnd::kDone);
  }
}

}  // namespace
}  // namespace saturn::budget_test
