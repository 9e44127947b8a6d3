// SPDX-License-Identifier: Apache-2.0
// Tasks that come to a run without having been measured: devices are lent for that, and go back.
#include <doctest/doctest.h>

#include "base/error.h"
#include "run/accounting.h"
#include "run_fixture.h"

namespace saturn::measuring_test {
namespace {

using Phase = TaskState::Phase;
using test::RunFixture;

/// Measures the task "new", on one device, in 30 seconds.
struct FakeTrials final : LiveTrials {
  const Clock& clock;
  std::vector<std::string> lent;
  std::optional<double> began, cancelled;
  double seconds = 30;
  bool fails = false;

  explicit FakeTrials(const Clock& time) : clock(time) {}
  std::vector<Need> needs(const std::vector<TaskSpec>& tasks, const Cluster&) override {
    for (const TaskSpec& task : tasks) {
      if (task.name == "bad") throw InputError("nothing can train it");
      if (task.name == "new") return {{"cpu", 2}};
    }
    return {};
  }
  void begin(const Cluster& nodes) override {
    for (const Node& node : nodes.nodes)
      lent.push_back(node.name + ":" + std::to_string(node.devices.size()));
    began = clock.now().count();
  }
  void go_on() override {
    if (fails) throw SystemError("start", "saturn-worker", "no memory is left");
  }
  void handle(const GangNews&) override {}
  Seconds until_next() const override { return Seconds(1); }
  void cancel() override { cancelled = clock.now().count(); }
  std::optional<std::string> ended() override {
    if (cancelled) return "given up";
    if (!began || clock.now().count() < *began + seconds) return {};
    return "2 trials measured";
  }
  void complete(RunSetup& setup) const override { setup.costs["new"] = {}; }
};

struct AddedTask final : RunRequests {
  const Clock& clock;
  double at;
  RunChange change;
  std::vector<RunAnswer> answers;

  AddedTask(const Clock& time, double when, std::vector<TaskSpec> tasks, const std::string& name)
      : clock(time), at(when), change{"id", {"/w.yaml", {}}, std::move(tasks)} {
    TaskSpec& task = change.tasks.emplace_back();
    task.name = name;
    change.run.tasks = change.tasks;
  }
  std::optional<RunChange> take() override {
    if (clock.now().count() < at) return {};
    at = 1e300;
    return change;
  }
  void answer(const RunAnswer& answer) override { answers.push_back(answer); }
};

/// Proposes the plan in force with the new task behind it, once it is measured.
struct WithNewTask final : Introspector {
  std::optional<Proposal> next;
  int told = 0;

  void consider(const RunSetup&, const RunState&, const Plan& current, const std::string& reason) override {
    next = Proposal{reason, {}, 10, 10};
    if (reason != "tasks have been measured") return;
    Plan plan = current;
    plan.assignments.push_back(
        {.task = "new", .parallelism = "ddp", .knobs = {}, .node = "n0", .devices = {0}});
    next->plan = plan;
  }
  std::optional<Proposal> take() override { return std::exchange(next, std::nullopt); }
  void tasks_changed() override { ++told; }
};

struct MeasuringFixture : RunFixture {
  FakeTrials live_trials{clock};
  WithNewTask introspector;

  MeasuringFixture() {
    setup.cluster.nodes.push_back({"n1", "cpu", {{0, {2}, 0}}});
    trials = &live_trials;
    behaviours["new"] = {.steps = 5};
  }
  std::vector<Record> records() const { return read_journal(setup.directory.journal_file()); }
};

TEST_CASE_FIXTURE(MeasuringFixture,
                  "what runs on the node makes room, others go on, and the new task is planned") {
  add("a", {0}, 0, {.steps = 60});
  add("b", {1}, 0, {.steps = 60});
  add("elsewhere", {0}, 0, {.steps = 60});
  plan.assignments.back().node = "n1";
  AddedTask request(clock, 10, setup.tasks, "new");
  requests = &request;
  CHECK(run(&introspector) == RunEnd::kDone);
  CHECK(request.answers.at(0).taken);
  CHECK(request.answers.at(0).text.starts_with(
      "task 'new' is new\nwhat has not been measured is measured first"));
  CHECK(live_trials.lent == std::vector<std::string>{"n0:2"});  // the trial is too wide for the other one
  CHECK(state.tasks["a"].starts == 2);
  CHECK(state.tasks["b"].starts == 2);
  CHECK(state.tasks["elsewhere"].starts == 1);
  CHECK(state.tasks["new"].phase == Phase::kFinished);
  CHECK(state.tasks["a"].step == 60);
  CHECK(state.measurings == 1);
  CHECK(state.measuring.empty());
  CHECK(introspector.told == 2);
  const Accounts accounts = account(records());
  CHECK(accounts.measuring == doctest::Approx(60).epsilon(0.1));  // two devices
  CHECK(accounts.gangs.total() + accounts.away + accounts.measuring + accounts.idle ==
        doctest::Approx(accounts.device_seconds));
  const RunState replayed = replay(records());
  CHECK(replayed.measurings == 1);
}

TEST_CASE_FIXTURE(MeasuringFixture, "nothing of the tasks is on the devices while trials are") {
  add("a", {0}, 0, {.steps = 30});
  setup.tasks.back().steps = 30;
  add("b", {0, 1}, 31, {.steps = 30});
  AddedTask request(clock, 28, setup.tasks, "new");  // the gang of b has come up ahead by then
  requests = &request;
  CHECK(run(&introspector) == RunEnd::kDone);
  std::map<std::string, std::set<int>> lent, held;
  for (const Record& record : records()) {
    if (const auto* started = std::get_if<MeasuringStarted>(&record))
      lent[started->node].insert(started->devices.begin(), started->devices.end());
    if (std::holds_alternative<MeasuringEnded>(record)) lent.clear();
    if (const auto* gang = std::get_if<GangStarted>(&record))
      for (const int device : gang->devices) CHECK_FALSE(lent[gang->node].contains(device));
  }
  CHECK(state.tasks["b"].starts == 1);
  CHECK(state.tasks["b"].phase == Phase::kFinished);
  CHECK(state.tasks["b"].step == 30);
}

TEST_CASE_FIXTURE(MeasuringFixture,
                  "where trials have ended nothing starts before the plan that knows them") {
  add("a", {0}, 0, {.steps = 60});
  AddedTask request(clock, 10, setup.tasks, "new");
  requests = &request;
  CHECK(run(&introspector) == RunEnd::kDone);
  std::vector<std::string> story;
  for (const Record& record : records()) {
    if (std::holds_alternative<MeasuringEnded>(record)) story = {"measured"};
    if (const auto* adopted = std::get_if<PlanAdopted>(&record)) story.push_back(adopted->reason);
    if (const auto* gang = std::get_if<GangStarted>(&record)) story.push_back(gang->task);
  }
  CHECK(story == std::vector<std::string>{"measured", "tasks have been measured", "a", "new"});
}

TEST_CASE_FIXTURE(MeasuringFixture, "devices that are lost are not lent, and those lost meanwhile end it") {
  add("a", {1}, 0, {.steps = 60});
  outages = {{.at_seconds = 5, .node = "n0", .devices = {0}},
             {.at_seconds = 25, .node = "n0", .devices = {1}, .back_at_seconds = 40}};
  AddedTask request(clock, 10, setup.tasks, "new");
  requests = &request;
  (void)run(&introspector);
  CHECK(live_trials.lent == std::vector<std::string>{"n1:1"});  // neither is wide enough; that one is idle
}

TEST_CASE_FIXTURE(MeasuringFixture, "measuring that fails leaves the others as they are") {
  add("a", {0}, 0, {.steps = 60});
  live_trials.fails = true;
  AddedTask request(clock, 10, setup.tasks, "new");
  requests = &request;
  CHECK(run(&introspector) == RunEnd::kDone);  // it is planned by this introspector nevertheless
  CHECK(state.tasks["a"].phase == Phase::kFinished);
  bool said = false;
  for (const std::string& message : messages)
    said = said || message.find("no memory is left") != std::string::npos;
  CHECK(said);
}

TEST_CASE_FIXTURE(MeasuringFixture,
                  "a task that nothing can train is refused, and a second change while it measures") {
  add("a", {0}, 0, {.steps = 60});
  AddedTask bad(clock, 10, setup.tasks, "bad");
  requests = &bad;
  CHECK(run(&introspector) == RunEnd::kDone);
  CHECK_FALSE(bad.answers.at(0).taken);
  CHECK(bad.answers.at(0).text.find("nothing can train it") != std::string::npos);
  CHECK(state.tasks["a"].starts == 1);
}

TEST_CASE_FIXTURE(MeasuringFixture,
                  "a signal ends the measuring, and a session that was killed in it measures no more") {
  add("a", {0}, 0, {.steps = 60});
  AddedTask request(clock, 10, setup.tasks, "new");
  requests = &request;
  on_update = [&](const RunState&, const Plan&) {
    if (clock.now() < Seconds(20) || interrupt.count > 0) return;
    interrupt.signal = 2;
    interrupt.count = 1;
  };
  CHECK(run(&introspector) == RunEnd::kInterrupted);
  CHECK(live_trials.cancelled);
  CHECK(clock.now() < Seconds(25));
  std::vector<Record> whole = records();
  while (!std::holds_alternative<MeasuringStarted>(whole.back())) whole.pop_back();
  RunState killed = replay(whole);
  CHECK_FALSE(killed.measuring.empty());
  apply(killed, SessionStarted{});
  CHECK(killed.measuring.empty());
}

}  // namespace
}  // namespace saturn::measuring_test
