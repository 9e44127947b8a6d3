// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <random>
#include <set>
#include <stdexcept>
#include <utility>

#include "many.h"
#include "replan/simulation.h"
#include "replan_fixture.h"
#include "run/accounting.h"

namespace saturn::random_runs_test {
namespace {

/// After which events in vain a run is taken for one that hangs.
constexpr int kMostEvents = 100'000;
constexpr double kMostSeconds = 1e8;

/// Between 0 and 1, the same for the same things.
double hashed(std::uint64_t seed, const std::string& name, std::int64_t step) {
  const size_t bits = std::hash<std::string>()(std::to_string(seed) + name + std::to_string(step));
  return static_cast<double>(bits % 1'000'003) / 1'000'003;
}

/// Every seed is a run: a cluster, tasks, a plan, what goes wrong, and what somebody asks of it on the way.
struct RandomRun : test::ReplanFixture {
  std::mt19937_64 bits;
  bool across = false;  ///< tasks were measured across nodes, too
  Simulation simulation;
  std::vector<double> changes;                  ///< when somebody asks, ascending
  std::vector<std::vector<TaskSpec>> tasks_of;  ///< the run, at first and after every change

  explicit RandomRun(std::uint64_t seed) : bits(seed), across(seed % 25 == 24) {
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
    for (int t = 0; t < tasks; ++t) add_task("t" + std::to_string(t));
    simulation.noise = 0.1 * draw(3);
    simulation.seed = seed;
    simulation.look_work = 5'000;
    simulation.introspect = draw(4) > 0;
    simulation.loss = [seed, nan = draw(20)](const std::string& task, std::int64_t step) {
      return static_cast<int>(20 * hashed(seed, task, 0)) == nan ? std::nan("") : hashed(seed, task, step);
    };
    if (draw(3) == 0) halve();
    tasks_of = {setup.tasks};
    plan = solve(remaining_problem(inputs()), {.work = 20'000});
    go_wrong();
    // Without looks at the plan what is new has no place.
    if (simulation.introspect && draw(2) == 0)
      for (int i = 1 + draw(4); i > 0; --i) changes.push_back(draw(600));
    std::sort(changes.begin(), changes.end());
  }

  int draw(int below) { return static_cast<int>(bits() % static_cast<std::uint64_t>(below)); }
  bool halved() const { return !setup.settings.halving.rungs.empty(); }
  bool troubled() const { return !simulation.deaths.empty() || !simulation.outages.empty(); }

  void add_task(const std::string& name) {
    add(name, 1 + draw(400), 32 + 8 * draw(3));
    if (across) {
      setup.tasks.back().across_nodes = 2;
      measure_across(speed_signature(setup.tasks.back()));
    }
    if (draw(3) == 0) setup.tasks.back().validate_every_steps = 1 + draw(100);
    if (draw(3) == 0) simulation.speeds[name] = 0.3 + 0.3 * draw(5);
    if (draw(5) == 0) simulation.ends[name] = 1 + draw(400);
  }

  /// One and two devices on each of two nodes.
  void measure_across(const std::string& signature) {
    if (best_trial(profile, signature, "ddp", 2, "cpu", 2) != nullptr) return;
    for (const int devices : {2, 4}) {
      Measured measured = std::get<Measured>(best_trial(profile, signature, "ddp", 2, "cpu")->outcome);
      measured.step_seconds = devices == 2 ? 0.55 : 0.3;
      profile.trials.push_back({signature, "ddp", devices, "cpu", {}, measured, 2});
    }
    order_trials(profile.trials);
  }

  void halve() {
    setup.settings.halving.reduction_factor = 2 + draw(3);
    for (int i = 1 + draw(3), rung = 0; i > 0; --i)
      setup.settings.halving.rungs.push_back(rung += 1 + draw(100));
  }

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

  /// Drops tasks, adds new ones and some that were dropped, makes some longer.
  std::vector<TaskSpec> changed() {
    std::vector<TaskSpec> tasks = tasks_of.back();
    const auto has = [&](const std::string& name) {
      return std::any_of(tasks.begin(), tasks.end(), [&](const TaskSpec& task) { return task.name == name; });
    };
    for (int i = draw(3); i > 0 && !tasks.empty(); --i)
      tasks.erase(tasks.begin() + draw(static_cast<int>(tasks.size())));
    for (TaskSpec& task : tasks)
      if (draw(4) == 0) task.steps += 1 + draw(100);
    for (const std::vector<TaskSpec>& before : tasks_of)
      for (const TaskSpec& task : before)
        if (!has(task.name) && draw(8) == 0) tasks.push_back(task);
    for (int i = draw(3); i > 0; --i) {
      add_task("t" + std::to_string(setup.tasks.size()));
      tasks.push_back(setup.tasks.back());
    }
    return tasks;
  }
};

/// Somebody who asks for changes at random moments.
class RandomRequests final : public RunRequests {
 public:
  RandomRequests(RandomRun& random, const Clock& clock) : random_(random), clock_(clock) {}

  std::optional<RunChange> take() override {
    if (asked_ >= random_.changes.size() || clock_.now().count() < random_.changes[asked_]) return {};
    asked_tasks_ = random_.changed();
    return RunChange{std::to_string(asked_++), {"/w.yaml", asked_tasks_, {}, {}}, asked_tasks_};
  }
  void answer(const RunAnswer& answer) override {
    if (answer.taken && answer.text != kNothingChanged) random_.tasks_of.push_back(asked_tasks_);
  }

 private:
  RandomRun& random_;
  const Clock& clock_;
  size_t asked_ = 0;
  std::vector<TaskSpec> asked_tasks_;
};

/// Follows the journal as somebody who knows nothing of the executor, and notes what cannot be.
struct JournalCheck {
  std::map<std::pair<std::string, int>, std::string> holder;
  std::set<std::pair<std::string, int>> lost;
  std::map<std::string, GangStarted> running;
  std::map<std::string, std::int64_t> checkpoint;
  std::map<std::string, std::int64_t> passed;  ///< rungs
  std::set<std::string> finished, failed, dropped, paused;
  size_t changes = 0;
  int across = 0;  ///< gangs on several nodes
  std::vector<std::string> wrong;
  double last = 0;

  void check(bool holds, const std::string& what) {
    if (!holds) wrong.push_back(what);
  }
  void time(double at) {
    check(at >= last, "time goes back");
    last = at;
  }
  void operator()(const SessionStarted&) {
    holder.clear();
    lost.clear();
    running.clear();
    last = 0;
  }
  void operator()(const GangStarted& r) {
    time(r.at);
    check(!running.contains(r.task), r.task + " is started twice");
    check(!finished.contains(r.task), r.task + " is started after it has finished");
    check(!failed.contains(r.task), r.task + " is started after it was given up");
    check(!dropped.contains(r.task), r.task + " is started after it was dropped");
    check(!paused.contains(r.task), r.task + " is started while it waits at a rung");
    check(!r.devices.empty(), r.task + " has no device");
    std::vector<NodeDevices> parts = r.further;
    parts.push_back({r.node, r.devices});
    for (const NodeDevices& part : parts) {
      check(part.devices.size() == r.devices.size(), r.task + " has parts of different sizes");
      for (const int device : part.devices) {
        check(holder.emplace(std::pair(part.node, device), r.task).second,
              r.task + " starts on a device in use");
        check(!lost.contains({part.node, device}), r.task + " starts on a lost device");
      }
    }
    across += parts.size() > 1 ? 1 : 0;
    running[r.task] = r;
  }
  void operator()(const GangReleased& r) {
    time(r.at);
    check(running.contains(r.task), r.task + " is released without a start");
    check(r.step == checkpoint[r.task], r.task + " does not go on from its last checkpoint");
  }
  void operator()(const CheckpointWritten& r) {
    time(r.at);
    check(running.contains(r.task), r.task + " writes a checkpoint without a gang");
    check(r.step >= checkpoint[r.task], r.task + " goes back");
    checkpoint[r.task] = r.step;
  }
  void operator()(const RungPassed& r) {
    time(r.at);
    check(r.rung > std::exchange(passed[r.task], r.rung), r.task + " passes a rung twice");
    check(1 <= r.place && r.place <= r.of, r.task + " has a place that there is not");
    paused.erase(r.task);
  }
  void operator()(const TaskPaused& r) {
    time(r.at);
    check(r.rung > passed[r.task], r.task + " waits at a rung that it has passed");
    check(!finished.contains(r.task), r.task + " waits and has finished");
    check(paused.insert(r.task).second, r.task + " waits twice");
  }
  void operator()(const TaskFinished& r) {
    time(r.at);
    check(r.step >= r.of_steps || !r.why.empty(), r.task + " has not done its steps");
    check(finished.insert(r.task).second, r.task + " finishes twice");
    paused.erase(r.task);
  }
  void operator()(const TaskFailed& r) {
    time(r.at);
    check(!running.contains(r.task), r.task + " is given up while it runs");
    check(!finished.contains(r.task), r.task + " is given up after it has finished");
    failed.insert(r.task);
    paused.erase(r.task);
  }
  void operator()(const TaskReopened& r) {
    time(r.at);
    check(finished.erase(r.task) + failed.erase(r.task) + dropped.erase(r.task) > 0,
          r.task + " is reopened and was not over");
  }
  void operator()(const TasksChanged& r) {
    time(r.at);
    ++changes;
    for (const std::string& task : r.dropped) {
      if (!finished.contains(task)) dropped.insert(task);
      failed.erase(task);
      paused.erase(task);
    }
  }
  void operator()(const GangEnded& r) {
    time(r.at);
    check(running.contains(r.task), r.task + " ends without a start");
    std::erase_if(holder, [&](const auto& entry) { return entry.second == r.task; });
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
  int events = 0;
  void message(const std::string&) override {}
  void update(const RunState& state, const Plan&) override {
    if (++events > kMostEvents || state.elapsed_seconds() > kMostSeconds)
      throw std::runtime_error("the run does not end");
  }
};

bool near(double a, double b) {
  return std::abs(a - b) < 1e-6;
}

/// The parts of the run's time, held to its state and to what could happen at all.
void check_accounts(const std::vector<Record>& records, const RandomRun& random, JournalCheck& check) {
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
    const auto found = accounts.tasks.find(name);
    check.check(found != accounts.tasks.end(), name + " has no account");
    if (found == accounts.tasks.end()) continue;
    const TaskTime& time = found->second;
    check.check(near(time.total(), state.elapsed_seconds()), "the time of " + name + " does not add up");
    check.check(near(time.gangs.total(), task.busy_seconds), "the gangs' time of " + name + " is another");
    for (const double part : {time.gangs.training, time.gangs.starting, time.gangs.switching,
                              time.gangs.stopping, time.gangs.lost, time.waiting, time.over})
      check.check(part >= -1e-6, "a part of " + name + " is below nothing");
  }
  check.check(near(accounts.gangs.total(), held), "gangs held devices for another time");
  const bool killed = state.sessions > 1;
  check.check(random.troubled() || killed || near(accounts.gangs.lost, 0), "time is lost for no reason");
  check.check(!random.simulation.outages.empty() || near(accounts.away, 0), "devices are away for no reason");
  const bool may_switch = state.plans.size() > 1 || check.changes > 0 || random.halved();
  check.check(may_switch || near(accounts.gangs.switching, 0), "tasks switch without a new plan");
}

bool same_state(const TaskState& a, const TaskState& b) {
  return a.phase == b.phase && a.step == b.step && a.starts == b.starts && a.failures == b.failures &&
         a.busy_seconds == b.busy_seconds && a.device_seconds == b.device_seconds &&
         a.rung_passed == b.rung_passed && a.ended_early == b.ended_early &&
         a.holds_devices == b.holds_devices;
}

/// What the session came to, held to its tasks and to the records of the whole run.
void check_end(const std::vector<Record>& records, const SimulatedRun& run, const RandomRun& random,
               JournalCheck& check) {
  check.check(check.running.empty(), "a gang is left");
  bool failed = false;
  bool one_came_through = false;
  for (const TaskSpec& task : run.tasks) {
    const TaskState* state = run.state.task(task.name);
    check.check(state != nullptr && state->over(), task.name + " is left over");
    if (state == nullptr) continue;
    check.check(state->phase != TaskState::Phase::kDropped, task.name + " is dropped, and of the run");
    const bool whole = state->phase == TaskState::Phase::kFinished && state->ended_early.empty();
    check.check(!whole || state->step >= task.steps, task.name + " has not come to its end");
    const bool was_told =
        state->ended_early.empty() || random.halved() || random.simulation.ends.contains(task.name);
    check.check(was_told, task.name + " ends early for no reason");
    failed = failed || state->phase == TaskState::Phase::kFailed;
    one_came_through = one_came_through || whole || random.simulation.ends.contains(task.name);
  }
  for (const auto& [name, task] : run.state.tasks)
    check.check(task.phase != TaskState::Phase::kPaused, name + " waits for ever");
  check.check((run.end == RunEnd::kDone) == !failed, "the end is told wrongly");
  check.check(random.troubled() || !failed, "a task fails for no reason");
  const bool undisturbed = !random.troubled() && check.changes == 0;
  check.check(!undisturbed || one_came_through, "the halving has let nothing come to its end");
  const RunState replayed = replay(records);
  check.check(replayed.lost == run.state.lost, "the journal replays to other devices");
  check.check(replayed.tasks.size() == run.state.tasks.size(), "the journal replays to other tasks");
  for (const auto& [name, held] : run.state.held)
    check.check(held.empty(), "devices of " + name + " are held");
  for (const auto& [name, task] : run.state.tasks) {
    const TaskState* other = replayed.task(name);
    check.check(other != nullptr && same_state(*other, task),
                "the journal replays to another state of " + name);
  }
}

/// A run from there to its end, its journal after those records.
void check_run(std::vector<Record>& records, const RunState& state, const Plan& plan, RandomRun& random,
               JournalCheck& check) {
  ManualClock clock;
  Silent silent;
  RandomRequests requests(random, clock);
  const SimulatedRun run =
      simulate(random.setup, random.profile, plan, state, random.simulation, clock, silent, &requests);
  for (const Record& record : run.records) std::visit(check, record);
  for (const auto& [name, task] : run.state.tasks) {
    const bool unplanned = task.message.starts_with("the devices that the plan has");
    const bool could_be = random.simulation.introspect && state.sessions == 0;
    check.check(!unplanned || !could_be, name + " is given up and was not planned anew");
  }
  records.insert(records.end(), run.records.begin(), run.records.end());
  if (std::getenv("SATURN_RANDOM_JOURNALS") != nullptr)
    for (const Record& record : run.records) std::fputs(to_line(record).c_str(), stdout);
  check_end(records, run, random, check);
  check_accounts(records, random, check);
}

/// The run killed at some record, planned anew, and gone on with.
void check_killed(std::vector<Record> records, RandomRun& random, JournalCheck& whole) {
  records.resize(1 + static_cast<size_t>(random.draw(static_cast<int>(records.size()))));
  JournalCheck check;
  for (const Record& record : records) std::visit(check, record);
  random.tasks_of.resize(check.changes + 1);
  random.setup.tasks = random.tasks_of.back();
  random.changes.clear();
  // What waits at a rung is not in the plan: a look at it gives it a place when it goes on.
  random.simulation.introspect = random.simulation.introspect || random.halved();
  const RunState state = replay(records);
  random.state = next_session(state, random.setup.tasks);
  const Problem rest = remaining_work(random.inputs()).problem;
  const Plan plan = rest.tasks.empty() ? Plan{} : in_cluster(random.inputs(), solve(rest, {.work = 20'000}));
  check_run(records, state, plan, random, check);
  for (const std::string& what : check.wrong) whole.wrong.push_back("gone on with: " + what);
}

/// `across`: gangs on several nodes are added to it.
std::vector<std::string> what_is_wrong(std::uint64_t seed, int& across) {
  RandomRun random(seed);
  JournalCheck check;
  try {
    std::vector<Record> records;
    check_run(records, random.state, random.plan, random, check);
    if (seed % 4 == 0) check_killed(records, random, check);
  } catch (const std::exception& error) {
    check.wrong.push_back(error.what());
  }
  across += check.across;
  return check.wrong;
}

/// SATURN_RANDOM_RUNS=FIRST-LAST runs those seeds, SATURN_RANDOM_JOURNALS=1 prints their journals.
TEST_CASE("in random runs every invariant holds") {
  std::uint64_t first = 0;
  std::uint64_t last = test::many(10'000) - 1;
  if (const char* told = std::getenv("SATURN_RANDOM_RUNS")) {
    char* rest = nullptr;
    first = last = std::strtoull(told, &rest, 10);
    if (*rest == '-') last = std::strtoull(rest + 1, nullptr, 10);
  }
  int across = 0;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    CAPTURE(seed);
    const auto wrong = what_is_wrong(seed, across);
    CHECK_MESSAGE(wrong.empty(), "SATURN_RANDOM_RUNS=", seed, ": ", wrong.empty() ? "" : wrong.front());
  }
  CHECK((across > 0 || first > 0 || last < 1000));
}

}  // namespace
}  // namespace saturn::random_runs_test
