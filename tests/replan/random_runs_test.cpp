// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstdlib>
#include <doctest/doctest.h>
#include <random>
#include <set>

#include "many.h"
#include "replan/simulation.h"
#include "replan_fixture.h"
#include "run/accounting.h"

namespace saturn {
namespace {

/// Every seed is a run: a cluster, tasks, a plan, and what goes wrong.
struct RandomRun : test::ReplanFixture {
  std::mt19937_64 bits;
  Simulation simulation;

  explicit RandomRun(std::uint64_t seed) : bits(seed) {
    setup.cluster.nodes.clear();
    const int nodes = 1 + draw(3);
    for (int n = 0; n < nodes; ++n) {
      Node node{"n" + std::to_string(n), "cpu", {}};
      const int devices = 1 + draw(3);
      for (int d = 0; d < devices; ++d) node.devices.push_back({d, {}, 0});
      setup.cluster.nodes.push_back(node);
    }
    setup.settings.checkpoint_interval_seconds = draw(2) * 60;
    setup.settings.introspection_interval_seconds = draw(3) * 45;
    setup.settings.retries = draw(3);
    const int tasks = 1 + draw(6);
    for (int t = 0; t < tasks; ++t) {
      add("t" + std::to_string(t), 1 + draw(400), 32 + 8 * draw(3));
      if (draw(3) == 0) setup.tasks.back().validate_every_steps = 1 + draw(100);
      if (draw(3) == 0) simulation.speeds[setup.tasks.back().name] = 0.3 + 0.3 * draw(5);
    }
    plan = solve(remaining_problem(inputs()), {.work = 20'000});
    simulation.noise = 0.1 * draw(3);
    simulation.seed = seed;
    simulation.look_work = 5'000;
    simulation.introspect = draw(4) > 0;
    go_wrong();
  }

  int draw(int below) { return static_cast<int>(bits() % static_cast<std::uint64_t>(below)); }

  void go_wrong() {
    for (int i = draw(4); i > 0; --i) {
      const Node& node =
          setup.cluster.nodes[static_cast<size_t>(draw(static_cast<int>(setup.cluster.nodes.size())))];
      Outage outage{.at_seconds = static_cast<double>(draw(500)), .node = node.name, .devices = {}};
      for (const Device& device : node.devices)
        if (draw(2) == 0) outage.devices.push_back(device.index);
      if (draw(2) == 0) outage.back_at_seconds = outage.at_seconds + 1 + draw(300);
      if (!outage.devices.empty()) simulation.outages.push_back(outage);
    }
    for (const TaskSpec& task : setup.tasks) {
      if (draw(4) == 0) simulation.deaths[task.name] = {1 + draw(static_cast<int>(task.steps)), draw(3) == 0};
    }
  }
};

/// Follows the journal as somebody who knows nothing of the executor, and notes what cannot be.
struct JournalCheck {
  std::map<std::pair<std::string, int>, std::string> holder;
  std::set<std::pair<std::string, int>> lost;
  std::map<std::string, GangStarted> running;
  std::map<std::string, std::int64_t> checkpoint;
  std::set<std::string> finished;
  std::vector<std::string> wrong;
  double last = 0;

  void check(bool holds, const std::string& what) {
    if (!holds) wrong.push_back(what);
  }
  void time(double at) {
    check(at >= last, "time goes back");
    last = at;
  }
  void operator()(const GangStarted& r) {
    time(r.at);
    check(!running.contains(r.task), r.task + " is started twice");
    check(!finished.contains(r.task), r.task + " is started after it has finished");
    check(!r.devices.empty(), r.task + " has no device");
    for (const int device : r.devices) {
      check(holder.emplace(std::pair(r.node, device), r.task).second, r.task + " starts on a device in use");
      check(!lost.contains({r.node, device}), r.task + " starts on a lost device");
    }
    running[r.task] = r;
  }
  void operator()(const GangReleased& r) {
    time(r.at);
    check(r.step == checkpoint[r.task], r.task + " does not go on from its last checkpoint");
  }
  void operator()(const CheckpointWritten& r) {
    time(r.at);
    check(r.step >= checkpoint[r.task], r.task + " goes back");
    checkpoint[r.task] = r.step;
  }
  void operator()(const TaskFinished& r) {
    time(r.at);
    check(r.step == r.of_steps, r.task + " has not done its steps");
    check(finished.insert(r.task).second, r.task + " finishes twice");
  }
  void operator()(const GangEnded& r) {
    time(r.at);
    check(running.contains(r.task), r.task + " ends without a start");
    for (const int device : running[r.task].devices) holder.erase({running[r.task].node, device});
    running.erase(r.task);
  }
  void operator()(const DevicesWentAway& r) {
    for (const int device : r.devices) lost.insert({r.node, device});
  }
  void operator()(const DevicesCameBack& r) {
    for (const int device : r.devices) lost.erase({r.node, device});
  }
  template <class Other>
  void operator()(const Other&) {}
};

struct Silent final : RunObserver {
  void message(const std::string&) override {}
  void update(const RunState&, const Plan&) override {}
};

bool near(double a, double b) {
  return std::abs(a - b) < 1e-6;
}

/// The parts of the run's time, held to its state and to what could happen at all.
void check_accounts(const std::vector<Record>& records, const RandomRun& random, bool killed,
                    JournalCheck& check) {
  const Accounts accounts = account(records);
  const RunState state = replay(records);
  const double all = state.elapsed_seconds() * random.setup.cluster.device_count();
  check.check(near(accounts.makespan_seconds, state.elapsed_seconds()), "the accounts' makespan is another");
  check.check(near(accounts.device_seconds, all), "the devices' time is not makespan x devices");
  check.check(near(accounts.gangs.total() + accounts.away + accounts.idle, all), "the parts do not add up");
  check.check(accounts.idle >= -1e-6 && accounts.away >= -1e-6, "a part is below nothing");
  double held = 0;
  for (const auto& [name, task] : state.tasks) {
    held += task.device_seconds;
    const TaskTime& time = accounts.tasks.at(name);
    check.check(near(time.total(), state.elapsed_seconds()), "the time of " + name + " does not add up");
    check.check(near(time.gangs.total(), task.busy_seconds), "the gangs' time of " + name + " is another");
    for (const double part : {time.gangs.training, time.gangs.starting, time.gangs.switching,
                              time.gangs.stopping, time.gangs.lost, time.waiting, time.over})
      check.check(part >= -1e-6, "a part of " + name + " is below nothing");
  }
  check.check(near(accounts.gangs.total(), held), "gangs held devices for another time");
  const bool troubled = !random.simulation.deaths.empty() || !random.simulation.outages.empty();
  check.check(troubled || killed || near(accounts.gangs.lost, 0), "time is lost for no reason");
  check.check(!random.simulation.outages.empty() || near(accounts.away, 0), "devices are away for no reason");
  check.check(state.plans.size() > 1 || near(accounts.gangs.switching, 0), "tasks switch without a new plan");
}

/// The run killed at some record, and gone on with.
void check_killed(const std::vector<Record>& whole, RandomRun& random, JournalCheck& check) {
  const size_t left = 1 + static_cast<size_t>(random.draw(static_cast<int>(whole.size())));
  std::vector<Record> records(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(left));
  ManualClock clock;
  Silent silent;
  const SimulatedRun rest =
      simulate(random.setup, random.profile, random.plan, next_session(replay(records), random.setup.tasks),
               random.simulation, clock, silent);
  records.insert(records.end(), rest.records.begin(), rest.records.end());
  check_accounts(records, random, true, check);
}

std::vector<std::string> what_is_wrong(std::uint64_t seed) {
  RandomRun random(seed);
  ManualClock clock;
  Silent silent;
  const SimulatedRun run =
      simulate(random.setup, random.profile, random.plan, random.state, random.simulation, clock, silent);
  JournalCheck check;
  for (const Record& record : run.records) std::visit(check, record);
  check.check(check.running.empty(), "a gang is left");
  bool failed = false;
  for (const TaskSpec& task : random.setup.tasks) {
    const TaskState& state = run.state.tasks.at(task.name);
    check.check(state.over(), task.name + " is left over");
    failed = failed || state.phase == TaskState::Phase::kFailed;
  }
  check.check((run.end == RunEnd::kDone) == !failed, "the end is told wrongly");
  const bool troubled = !random.simulation.deaths.empty() || !random.simulation.outages.empty();
  check.check(troubled || !failed, "a task fails for no reason");
  const RunState replayed = replay(run.records);
  check.check(replayed.lost == run.state.lost, "the journal replays to other devices");
  for (const auto& [name, task] : run.state.tasks) {
    const TaskState& other = replayed.tasks.at(name);
    const bool same = other.phase == task.phase && other.step == task.step && other.starts == task.starts &&
                      other.failures == task.failures && other.busy_seconds == task.busy_seconds &&
                      other.device_seconds == task.device_seconds;
    check.check(same, "the journal replays to another state of " + name);
  }
  check_accounts(run.records, random, false, check);
  if (seed % 4 == 0) check_killed(run.records, random, check);
  return check.wrong;
}

/// SATURN_RANDOM_RUNS=FIRST-LAST runs those seeds.
TEST_CASE("in random runs every invariant holds") {
  std::uint64_t first = 0;
  std::uint64_t last = test::many(10'000) - 1;
  if (const char* told = std::getenv("SATURN_RANDOM_RUNS")) {
    char* rest = nullptr;
    first = last = std::strtoull(told, &rest, 10);
    if (*rest == '-') last = std::strtoull(rest + 1, nullptr, 10);
  }
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    CAPTURE(seed);
    const auto wrong = what_is_wrong(seed);
    CHECK_MESSAGE(wrong.empty(), "SATURN_RANDOM_RUNS=", seed, ": ", wrong.empty() ? "" : wrong.front());
  }
}

}  // namespace
}  // namespace saturn
