// SPDX-License-Identifier: Apache-2.0
#include "run/executor.h"

#include <doctest/doctest.h>
#include <signal.h>

#include "run/accounting.h"
#include "run_fixture.h"

namespace saturn::executor_test {
namespace {

using test::RunFixture;
using Phase = TaskState::Phase;

TEST_CASE_FIXTURE(RunFixture, "gangs start when their devices are free, side by side, in the plan's order") {
  add("a", {0}, 0);
  add("b", {1}, 0, {.steps = 20});
  add("both", {0, 1}, 21);
  add("c", {0}, 32);
  CHECK(run() == RunEnd::kDone);
  CHECK(starts == std::vector<std::string>{"a@0", "b@0", "both@21", "c@32"});
  CHECK(state.tasks["both"].phase == Phase::kFinished);
  CHECK(state.tasks["both"].step == 10);
  CHECK(state.tasks["both"].busy_seconds == doctest::Approx(11));
  CHECK(state.tasks["both"].device_seconds == doctest::Approx(22));
  CHECK(state.elapsed_seconds() == doctest::Approx(43));
}

TEST_CASE_FIXTURE(RunFixture, "the journal replays to the state that the executor came to") {
  add("a", {0}, 0, {.checkpoint_every_steps = 3});
  add("b", {1}, 0, {.dies_at_step = 4});
  next_behaviours["b"] = {{}};
  CHECK(run() == RunEnd::kDone);
  const RunState replayed = replay(read_journal(setup.directory.journal_file()));
  REQUIRE(replayed.tasks.size() == 2);
  for (const auto& [name, task] : state.tasks) {
    const TaskState& other = replayed.tasks.at(name);
    CHECK(other.phase == task.phase);
    CHECK(other.step == task.step);
    CHECK(other.starts == task.starts);
    CHECK(other.failures == task.failures);
    CHECK(other.busy_seconds == task.busy_seconds);
    CHECK(other.validation_loss == task.validation_loss);
  }
  CHECK(replayed.ended == "done");
}

TEST_CASE_FIXTURE(RunFixture, "one failing task does not end the sweep") {
  add("bad", {0}, 0, {.dies_at_step = 3});
  add("good", {1}, 0);
  add("after", {0}, 11);
  CHECK(run() == RunEnd::kSomeFailed);
  CHECK(state.tasks["bad"].phase == Phase::kFailed);
  CHECK(state.tasks["bad"].starts == 2);  // run.retries is 1
  CHECK(state.tasks["good"].phase == Phase::kFinished);
  CHECK(state.tasks["after"].phase == Phase::kFinished);
  CHECK(messages ==
        std::vector<std::string>{
            "warning: task 'bad' is started again from step 0: rank 0 was killed by SIGKILL while training",
            "task 'bad' failed: rank 0 was killed by SIGKILL while training"});
}

TEST_CASE_FIXTURE(RunFixture, "a task that ends early by its stop rule has finished and frees its devices") {
  add("early", {0}, 0, {.steps = 4, .ends_early = "no improvement on 1.5 (step 3) in 1 validation"});
  setup.tasks[0].steps = 10;
  setup.tasks[0].stop.patience = 1;
  add("next", {0}, 11);
  CHECK(run() == RunEnd::kDone);
  CHECK(starts == std::vector<std::string>{"early@0", "next@5"});
  CHECK(messages == std::vector<std::string>{"task 'early' finished early at step 4 of 10: no improvement on "
                                             "1.5 (step 3) in 1 validation"});
  CHECK(state.tasks["early"].ended_early == "no improvement on 1.5 (step 3) in 1 validation");
  CHECK(state.tasks["next"].ended_early.empty());
  CHECK(run() == RunEnd::kDone);  // nothing is left to do
  CHECK(starts.size() == 2);
  setup.tasks[0].stop.patience = 2;
  behaviours["early"] = {.steps = 10};
  CHECK(run() == RunEnd::kDone);
  CHECK(starts.size() == 3);
  CHECK(state.tasks["early"].step == 10);
  CHECK(state.tasks["early"].ended_early.empty());
}

TEST_CASE_FIXTURE(RunFixture, "a gang is told how long its task has been trained, in all sessions") {
  const auto used = [&] { return read_job(setup.directory.task_directory("a") / "job.json").used_seconds; };
  add("a", {0}, 0, {.steps = 10, .checkpoint_every_steps = 4, .dies_at_step = 7});
  setup.tasks[0].script = true;  // its job file is read: a task without a model is a script's
  setup.tasks[0].model.kind = setup.tasks[0].data.kind = "";
  next_behaviours["a"] = {{.steps = 10, .dies_at_step = 9}, {.steps = 10}};
  CHECK(run() == RunEnd::kSomeFailed);
  CHECK(used() == 8);  // start-up and seven steps
  CHECK(run() == RunEnd::kDone);
  CHECK(used() == 14);  // and start-up and the five after step 4
}

TEST_CASE_FIXTURE(RunFixture, "a gang that died goes on from its last checkpoint") {
  add("a", {0}, 0, {.steps = 10, .checkpoint_every_steps = 4, .dies_at_step = 7});
  next_behaviours["a"] = {{.steps = 10}};
  CHECK(run() == RunEnd::kDone);
  CHECK(messages ==
        std::vector<std::string>{
            "warning: task 'a' is started again from step 4 on device 1 of n0: rank 0 was killed by SIGKILL "
            "while training"});
  // 1 + 6 steps until it dies, then 1 + 6 for what is left after step 4.
  CHECK(state.elapsed_seconds() == doctest::Approx(15));
}

TEST_CASE_FIXTURE(RunFixture, "out of memory and a loss that is no number are not tried again") {
  add("big", {0}, 0,
      {.dies_at_step = 2, .fails_with = Failed{Failed::Reason::kOutOfMemory, "out of memory: 2 over 1"}});
  add("wild", {1}, 0,
      {.dies_at_step = 2, .fails_with = Failed{Failed::Reason::kNotFinite, "the loss is NaN"}});
  CHECK(run() == RunEnd::kSomeFailed);
  CHECK(starts == std::vector<std::string>{"big@0", "wild@0"});
  CHECK(messages == std::vector<std::string>{"task 'big' failed: out of memory: 2 over 1",
                                             "task 'wild' failed: the loss is NaN"});
}

TEST_CASE_FIXTURE(RunFixture,
                  "a gang that does not get ready, or stops making progress, is killed and tried again") {
  setup.settings.start_timeout_seconds = 30;
  setup.settings.hang_timeout_seconds = 50;
  add("slow", {0}, 0, {.hangs_at_start = true});
  add("stuck", {1}, 0, {.step_seconds = 1000});
  next_behaviours["slow"] = {{}};
  next_behaviours["stuck"] = {{}};
  CHECK(run() == RunEnd::kDone);
  CHECK(messages ==
        std::vector<std::string>{
            "warning: task 'slow' is started again from step 0: not ready after its start for 30 s",
            "warning: task 'stuck' is started again from step 0 on device 0 of n0: no progress for 50 s"});
}

TEST_CASE_FIXTURE(RunFixture, "a long validation is no hang as long as it gives signs of life") {
  setup.settings.hang_timeout_seconds = 50;
  add("long", {0}, 0, {.steps = 3, .validation_seconds = 200, .alive_every_seconds = 2});
  add("silent", {1}, 0, {.steps = 3, .validation_seconds = 200, .alive_every_seconds = 1e9});
  next_behaviours["silent"] = {{}};
  CHECK(run() == RunEnd::kDone);
  CHECK(state.tasks["long"].starts == 1);
  CHECK(state.tasks["silent"].starts == 2);
  CHECK(messages == std::vector<std::string>{
                        "warning: task 'silent' is started again from step 0: no progress for 50 s"});
}

TEST_CASE_FIXTURE(RunFixture, "a checkpoint that is passed by is told, and the task trained") {
  add("a", {0}, 0, {.skips_checkpoint = "the checkpoint /c is damaged; it is skipped"});
  CHECK(run() == RunEnd::kDone);
  CHECK(messages ==
        std::vector<std::string>{"warning: task 'a': the checkpoint /c is damaged; it is skipped"});
}

TEST_CASE_FIXTURE(RunFixture, "processes that cannot be started are tried again after a while") {
  add("a", {0}, 0, {.fails_to_start = true});
  add("next", {0}, 11);  // does not overtake it
  next_behaviours["a"] = {{}};
  CHECK(run() == RunEnd::kDone);
  CHECK(starts == std::vector<std::string>{"a@0", "a@5", "next@16"});
  CHECK(messages == std::vector<std::string>{"warning: task 'a' is started again from step 0: cannot start "
                                             "/bin/worker: Resource temporarily unavailable"});
}

TEST_CASE_FIXTURE(RunFixture, "processes that can never be started are given up after run.retries") {
  add("a", {0}, 0, {.fails_to_start = true});
  add("next", {0}, 11);
  CHECK(run() == RunEnd::kSomeFailed);
  CHECK(starts == std::vector<std::string>{"a@0", "a@5", "next@5"});
  CHECK(state.tasks["a"].phase == Phase::kFailed);
  CHECK(state.tasks["a"].failures == 2);  // run.retries is 1
}

TEST_CASE_FIXTURE(RunFixture, "an interrupt ends a run that only waits to start something again") {
  add("a", {0}, 0, {.fails_to_start = true});
  next_behaviours["a"] = {{}};
  on_update = [&](const RunState&, const Plan&) { interrupt.signal = SIGTERM, interrupt.count = 1; };
  CHECK(run() == RunEnd::kInterrupted);
  CHECK(starts == std::vector<std::string>{"a@0"});
  CHECK(clock.now() < Seconds(5));
}

TEST_CASE_FIXTURE(RunFixture, "what a killed gang left half written is removed before the task goes on") {
  add("a", {0}, 0);
  const auto of_task = setup.directory.task_directory("a");
  make_directories(of_task);
  write_file_atomically(of_task / "model.safetensors.tmp.123", "half");
  CHECK(run() == RunEnd::kDone);
  CHECK_FALSE(std::filesystem::exists(of_task / "model.safetensors.tmp.123"));
  CHECK(std::filesystem::exists(of_task / "job.json"));
}

TEST_CASE_FIXTURE(RunFixture,
                  "an interrupt stops every gang at a checkpoint, and the next session goes on from there") {
  add("a", {0}, 0, {.steps = 20});
  add("b", {1}, 0, {.steps = 30});
  add("c", {0}, 21);
  on_update = [&](const RunState& now, const Plan&) {
    if (now.sessions > 1 || clock.now() < Seconds(8)) return;
    interrupt.signal = SIGINT;
    interrupt.count = 1;
  };
  CHECK(run() == RunEnd::kInterrupted);
  CHECK(state.tasks["a"].phase == Phase::kWaiting);
  const auto step = state.tasks["a"].step;
  CHECK(step >= 7);
  CHECK(step < 20);
  CHECK(state.ended == "stopped by SIGINT");
  CHECK(messages ==
        std::vector<std::string>{"SIGINT: every task writes a checkpoint and stops; once more kills them"});
  interrupt.signal = 0;
  interrupt.count = 0;
  on_update = nullptr;
  // The simulated disk is gone with the launcher; what counts is that every task is started again and ended.
  CHECK(run() == RunEnd::kDone);
  CHECK(state.sessions == 2);
  CHECK(state.tasks["c"].phase == Phase::kFinished);
}

TEST_CASE_FIXTURE(RunFixture, "a second interrupt kills what does not leave") {
  add("a", {0}, 0, {.steps = 1000, .ignores_stop = true});
  setup.settings.stop_grace_seconds = 1e6;
  on_update = [&](const RunState&, const Plan&) {
    if (clock.now() > Seconds(3))
      interrupt.signal = SIGTERM, interrupt.count = clock.now() > Seconds(6) ? 2 : 1;
  };
  CHECK(run() == RunEnd::kInterrupted);
  CHECK(clock.now() < Seconds(20));
  CHECK(state.tasks["a"].phase == Phase::kWaiting);
}

TEST_CASE_FIXTURE(RunFixture, "what is finished is not run again") {
  add("a", {0}, 0);
  CHECK(run() == RunEnd::kDone);
  CHECK(run() == RunEnd::kDone);
  CHECK(starts == std::vector<std::string>{"a@0"});
}

TEST_CASE_FIXTURE(RunFixture, "a gang that says why it fails and then does not leave is killed") {
  setup.settings.hang_timeout_seconds = 50;
  const Failed failed{Failed::Reason::kNotFinite, "the loss is NaN"};
  add("wild", {0}, 0, {.dies_at_step = 2, .fails_with = failed, .lingers = true});
  // Ends the test where the gang is never killed.
  on_update = [&](const RunState&, const Plan&) {
    if (clock.now() > Seconds(100)) interrupt.signal = SIGTERM, interrupt.count = 2;
  };
  CHECK(run() == RunEnd::kSomeFailed);
  CHECK(clock.now() < Seconds(100));
  CHECK(messages == std::vector<std::string>{"task 'wild' failed: the loss is NaN"});
}

/// Proposes one given plan the first time it is asked, and none later.
struct OnePlan final : Introspector {
  std::optional<Proposal> next;
  const Clock* clock = nullptr;  ///< needed with a delay
  double delay = 0;              ///< seconds that it takes to solve
  double ready = 0;
  bool asked = false;
  std::vector<std::string> reasons;
  void consider(const RunSetup&, const RunState&, const Plan&, const std::string& reason) override {
    asked = true;
    reasons.push_back(reason);
    if (clock != nullptr) ready = clock->now().count() + delay;
  }
  std::optional<Proposal> take() override {
    if (!asked || (clock != nullptr && clock->now().count() < ready)) return {};
    asked = false;
    return next ? std::exchange(next, std::nullopt) : Proposal{.reason = reasons.back(), .plan = {}};
  }
};

TEST_CASE_FIXTURE(RunFixture, "a better plan moves only the gangs whose place changes") {
  add("stays", {0}, 0, {.steps = 40});
  add("moves", {1}, 0, {.steps = 40});
  add("waits", {1}, 41, {.steps = 5});
  setup.settings.introspection_interval_seconds = 10;
  OnePlan introspector;
  introspector.next = Proposal{"interval", plan, 70, 60};
  auto& proposed = introspector.next->plan->assignments;
  std::swap(proposed[1], proposed[2]);  // the waiting one first, then the other one goes on
  proposed[2].knobs = {{"bucket_mb", "1"}};
  CHECK(run(&introspector) == RunEnd::kDone);
  CHECK(state.tasks["stays"].starts == 1);
  CHECK(state.tasks["moves"].starts == 2);
  CHECK(state.tasks["moves"].gang->knobs == Knobs{{"bucket_mb", "1"}});
  REQUIRE(starts.size() == 4);
  CHECK(starts[2].starts_with("waits@"));
  CHECK(starts[3].starts_with("moves@"));
  CHECK(messages ==
        std::vector<std::string>{"a better plan for what is left (interval): 1:00 instead of 1:10"});
  CHECK(state.plans.size() == 2);
}

TEST_CASE_FIXTURE(RunFixture, "a plan that would move a gang started while it was solved is not taken") {
  add("first", {0}, 0, {.steps = 10});
  add("second", {0}, 11, {.steps = 40});
  setup.settings.introspection_interval_seconds = 10;
  OnePlan introspector;
  introspector.delay = 5;  // asked at 10, `second` starts at 11
  introspector.clock = &clock;
  introspector.next = Proposal{"interval", plan, 70, 60};
  introspector.next->plan->assignments[1].devices = {1};
  CHECK(run(&introspector) == RunEnd::kDone);
  CHECK_FALSE(introspector.next.has_value());
  CHECK(starts == std::vector<std::string>{"first@0", "second@11"});
  CHECK(state.plans.size() == 1);
}

TEST_CASE_FIXTURE(RunFixture, "a look at the plan that fails is told once and changes nothing") {
  add("a", {0}, 0, {.steps = 40});
  setup.settings.introspection_interval_seconds = 10;
  struct Failing final : Introspector {
    int looks = 0;
    bool asked = false;
    void consider(const RunSetup&, const RunState&, const Plan&, const std::string&) override {
      ++looks, asked = true;
    }
    std::optional<Proposal> take() override {
      if (!std::exchange(asked, false)) return {};
      return Proposal{.reason = "interval", .plan = {}, .failure = "no way"};
    }
  } introspector;
  CHECK(run(&introspector) == RunEnd::kDone);
  CHECK(introspector.looks > 1);
  CHECK(messages == std::vector<std::string>{"warning: the plan stays as it is: what is left could not be "
                                             "planned: no way"});
  CHECK(state.plans.size() == 1);
}

TEST_CASE_FIXTURE(RunFixture, "the next session tries again what failed before a better plan was adopted") {
  add("bad", {0}, 0,
      {.dies_at_step = 2, .fails_with = Failed{Failed::Reason::kOutOfMemory, "out of memory"}});
  add("good", {1}, 0, {.steps = 40});
  setup.settings.introspection_interval_seconds = 10;
  OnePlan introspector;
  introspector.next = Proposal{"interval", plan, 70, 60};
  introspector.next->plan->assignments.erase(introspector.next->plan->assignments.begin());
  next_behaviours["bad"] = {{}};
  CHECK(run(&introspector) == RunEnd::kSomeFailed);
  CHECK(state.plans.size() == 2);
  CHECK(run() == RunEnd::kDone);
  CHECK(state.tasks["bad"].phase == Phase::kFinished);
}

TEST_CASE_FIXTURE(RunFixture, "a look that fails to find a better plan is in the journal with both times") {
  add("a", {0}, 0, {.steps = 40});
  setup.settings.introspection_interval_seconds = 30;
  OnePlan introspector;
  CHECK(run(&introspector) == RunEnd::kDone);
  CHECK(introspector.reasons == std::vector<std::string>{"interval"});
  CHECK(state.plans_kept == 1);
}

TEST_CASE_FIXTURE(RunFixture, "what ends early or late beyond the tolerance has the plan looked at, once") {
  setup.settings.introspection_interval_seconds = 1e6;
  setup.settings.introspection_tolerance = 0.2;
  add("early", {0}, 0, {.steps = 10});
  add("late", {1}, 0, {.steps = 20});
  add("usual", {0}, 50, {.steps = 60});
  plan.assignments[0].duration_seconds = 15;  // it takes 11
  plan.assignments[1].duration_seconds = 17;  // it takes 21: late from 20.4 on
  plan.assignments[2].duration_seconds = 55;  // it takes 61, which is tolerated
  OnePlan introspector;
  CHECK(run(&introspector) == RunEnd::kDone);
  CHECK(introspector.reasons == std::vector<std::string>{"task 'early' ended 4 s earlier than planned",
                                                         "task 'late' takes longer than planned"});
}

TEST_CASE_FIXTURE(RunFixture, "without introspection only what must be planned anew is") {
  add("early", {0}, 0, {.steps = 10});
  add("other", {1}, 0, {.steps = 100});
  plan.assignments[0].duration_seconds = 50;
  OnePlan introspector;
  CHECK(run(&introspector) == RunEnd::kDone);
  CHECK(introspector.reasons.empty());
  CHECK(state.plans_kept == 0);
}

TEST_CASE_FIXTURE(RunFixture, "gangs on lost devices end, are not counted as failed, and are planned anew") {
  setup.cluster.nodes.push_back({"n1", "cpu", {{0, {0}, 0}}});
  add("hit", {0}, 0, {.steps = 40, .checkpoint_every_steps = 10});
  add("spared", {1}, 0, {.steps = 40});
  outages = {{.at_seconds = 25, .node = "n0", .devices = {0}}};
  OnePlan introspector;
  introspector.next = Proposal{"", plan, 0, 30};
  introspector.next->plan->assignments[0].node = "n1";
  CHECK(run(&introspector) == RunEnd::kDone);
  CHECK(starts == std::vector<std::string>{"hit@0", "spared@0", "hit@25"});
  CHECK(state.tasks["hit"].failures == 0);
  CHECK(state.tasks["hit"].gang->node == "n1");
  CHECK(state.tasks["hit"].step == 40);
  CHECK(state.elapsed_seconds() == doctest::Approx(25 + 1 + 20));
  CHECK(introspector.reasons == std::vector<std::string>{"lost device 0 of n0"});
  CHECK(messages == std::vector<std::string>{"warning: lost device 0 of n0: simulated",
                                             "another plan for what is left (): 30 s"});
}

TEST_CASE_FIXTURE(RunFixture, "a gang across nodes ends when a device of any of its nodes is lost") {
  setup.cluster.nodes.push_back({"n1", "cpu", {{0, {0}, 0}}});
  add("across", {0}, 0, {.steps = 40, .checkpoint_every_steps = 10});
  add("spared", {1}, 0, {.steps = 40});
  plan.assignments[0].further = {{"n1", {0}}};
  outages = {{.at_seconds = 25, .node = "n1", .devices = {0}, .back_at_seconds = 30}};
  CHECK(run() == RunEnd::kDone);
  CHECK(starts == std::vector<std::string>{"across@0", "spared@0", "across@30"});
  CHECK(state.tasks["across"].failures == 0);
  CHECK(state.tasks["across"].device_seconds == doctest::Approx(2 * (25 + 1 + 20)));
}

TEST_CASE_FIXTURE(RunFixture, "what nothing can run any more waits for its devices while others train") {
  for (const bool back : {true, false}) {
    CAPTURE(back);
    RunFixture fixture;
    fixture.add("hit", {0}, 0, {.steps = 40});
    fixture.add("spared", {1}, 0, {.steps = 100});
    fixture.outages = {{.at_seconds = 25, .node = "n0", .devices = {0}}};
    if (back) fixture.outages[0].back_at_seconds = 70;
    struct Stranding final : Introspector {
      bool asked = false;
      bool lost = false;
      void consider(const RunSetup&, const RunState& now, const Plan&, const std::string&) override {
        asked = true;
        lost = !now.lost.empty();
      }
      std::optional<Proposal> take() override {
        if (!std::exchange(asked, false)) return {};
        Proposal proposal{.reason = "", .plan = {}};
        if (lost) proposal.stranded["hit"] = "task 'hit' has no devices";
        return proposal;
      }
    } introspector;
    CHECK(fixture.run(&introspector) == (back ? RunEnd::kDone : RunEnd::kSomeFailed));
    CHECK(fixture.starts.size() == (back ? 3 : 2));
    if (back) CHECK(fixture.starts[2] == "hit@70");
    REQUIRE(fixture.messages.size() == 3);
    CHECK(fixture.messages[1] == "warning: task 'hit' has no devices; it waits for devices to come back");
    CHECK(fixture.messages[2] ==
          (back ? "device 0 of n0 can be used again" : "task 'hit' failed: task 'hit' has no devices"));
    CHECK(fixture.state.tasks["spared"].starts == 1);
  }
}

TEST_CASE_FIXTURE(RunFixture, "a way that runs out of memory is ruled out, and another one taken") {
  const Failed failed{Failed::Reason::kOutOfMemory, "out of memory: 2 over 1"};
  add("big", {0}, 0, {.dies_at_step = 6, .fails_with = failed});
  add("next", {0}, 11);
  next_behaviours["big"] = {{}};
  OnePlan introspector;
  introspector.next = Proposal{"", plan, 0, 30};
  introspector.next->plan->assignments[0].devices = {0, 1};
  CHECK(run(&introspector) == RunEnd::kDone);
  CHECK(state.tasks["big"].ruled_out.size() == 1);
  CHECK(state.tasks["big"].gang->devices == std::vector<int>{0, 1});
  CHECK(introspector.reasons == std::vector<std::string>{"task 'big' ran out of memory"});
  CHECK(messages.front() ==
        "warning: task 'big' is not run by ddp on 1 device any more: out of memory: 2 over 1");
  // The next session goes by the journal.
  const RunState replayed = replay(read_journal(setup.directory.journal_file()));
  CHECK(replayed.tasks.at("big").ruled_out.at(0).why == "out of memory: 2 over 1");
}

/// One change, asked for at a time.
struct OneRequest final : RunRequests {
  const Clock& clock;
  double at;
  RunChange change;
  std::vector<RunAnswer> answers;

  OneRequest(const Clock& time, double when, std::vector<TaskSpec> tasks)
      : clock(time), at(when), change{"id", {"/w.yaml", tasks}, tasks} {}
  std::optional<RunChange> take() override {
    if (clock.now().count() < at) return {};
    at = 1e300;
    return change;
  }
  void answer(const RunAnswer& answer) override { answers.push_back(answer); }
};

BudgetSettings deadline_after(int seconds) {
  BudgetSettings budget;
  budget.deadline = BudgetSettings::Deadline::kAfter;
  budget.deadline_seconds = seconds;
  budget.deadline_text = std::to_string(seconds) + "s";
  return budget;
}

TEST_CASE_FIXTURE(RunFixture, "a run that goes on gets another deadline, and none that has passed") {
  add("long", {0}, 0, {.steps = 60});
  setup.settings.stop_grace_seconds = 5;  // so long before the deadline a gang of unknown costs leaves
  OneRequest request(clock, 10, setup.tasks);
  request.change.budget = deadline_after(30);
  requests = &request;
  CHECK(run() == RunEnd::kOutOfBudget);
  REQUIRE(request.answers.size() == 1);
  CHECK(request.answers[0].text == "run.budget: none -> deadline 30s");
  CHECK(clock.now().count() <= 30);
  CHECK(state.tasks["long"].step > 20);
}

TEST_CASE_FIXTURE(RunFixture, "a run is not told to end in the past") {
  add("long", {0}, 0, {.steps = 60});
  OneRequest request(clock, 10, setup.tasks);
  request.change.budget = deadline_after(5);
  requests = &request;
  CHECK(run() == RunEnd::kDone);
  REQUIRE(request.answers.size() == 1);
  CHECK_FALSE(request.answers[0].taken);
  CHECK(request.answers[0].text == "run.budget: the deadline 5s has passed");
}

TEST_CASE_FIXTURE(RunFixture,
                  "a task is dropped from a run that goes on, and one added, and the others are let be") {
  add("stays", {0}, 0, {.steps = 60});
  add("dropped", {1}, 0, {.steps = 60});
  add("waits", {1}, 61, {.steps = 5});
  behaviours["added"] = {.steps = 7};
  TaskSpec added;
  added.name = "added";
  OneRequest request(clock, 10, {setup.tasks[0], setup.tasks[2], added});
  requests = &request;
  OnePlan introspector;
  introspector.next = Proposal{"", plan, 0, 50};
  auto& lines = introspector.next->plan->assignments;
  lines[1].task = "added";
  CHECK(run(&introspector) == RunEnd::kDone);
  REQUIRE(request.answers.size() == 1);
  CHECK(request.answers[0].taken);
  CHECK(request.answers[0].text == "task 'dropped' is gone\ntask 'added' is new");
  CHECK(introspector.reasons == std::vector<std::string>{"task 'dropped' is gone; task 'added' is new"});
  CHECK(state.tasks["dropped"].phase == Phase::kDropped);
  CHECK(state.tasks["dropped"].starts == 1);
  CHECK(state.tasks["stays"].starts == 1);
  CHECK(state.tasks["added"].phase == Phase::kFinished);
  CHECK(state.tasks["waits"].phase == Phase::kFinished);
  CHECK(clock.now() < Seconds(65));
  const std::string kept = read_file(setup.directory.run_file());
  CHECK(kept.find("\"name\": \"added\"") != std::string::npos);
  CHECK(kept.find("\"name\": \"dropped\"") == std::string::npos);
  const RunState replayed = replay(read_journal(setup.directory.journal_file()));
  CHECK(replayed.tasks.at("dropped").phase == Phase::kDropped);
}

TEST_CASE_FIXTURE(RunFixture, "a running task that becomes longer goes on from its checkpoint") {
  add("a", {0}, 0, {.steps = 20});
  setup.tasks[0].steps = 20;
  next_behaviours["a"] = {{.steps = 30}};
  std::vector<TaskSpec> longer = setup.tasks;
  longer[0].steps = 30;
  OneRequest request(clock, 10, longer);
  requests = &request;
  OnePlan introspector;
  CHECK(run(&introspector) == RunEnd::kDone);
  CHECK(request.answers.at(0).text == "task 'a' has changed: steps 20 -> 30");
  CHECK(state.tasks["a"].step == 30);
  CHECK(state.tasks["a"].starts == 2);
  CHECK(state.tasks["a"].failures == 0);
}

TEST_CASE_FIXTURE(RunFixture, "a task that becomes longer when it has just come to its end is run on") {
  add("a", {0}, 0, {.steps = 20, .checkpoint_seconds = 5});
  setup.tasks[0].steps = 20;
  next_behaviours["a"] = {{.steps = 30}};
  std::vector<TaskSpec> longer = setup.tasks;
  longer[0].steps = 30;
  OneRequest request(clock, 22, longer);  // the last step is done at 21
  requests = &request;
  CHECK(run() == RunEnd::kDone);
  CHECK(state.tasks["a"].step == 30);
  CHECK(state.tasks["a"].phase == Phase::kFinished);
  CHECK(replay(read_journal(setup.directory.journal_file())).tasks.at("a").step == 30);
}

TEST_CASE_FIXTURE(RunFixture, "a change that a run cannot make is refused, and nothing is changed") {
  add("a", {0}, 0, {.steps = 20});
  setup.tasks[0].batch_size = 8;
  std::vector<TaskSpec> other = setup.tasks;
  other[0].batch_size = 7;
  OneRequest request(clock, 10, other);
  requests = &request;
  CHECK(run() == RunEnd::kDone);
  REQUIRE(request.answers.size() == 1);
  CHECK_FALSE(request.answers[0].taken);
  CHECK(request.answers[0].text == "task 'a' has changed: batch_size 8 -> 7 after it was started");
  CHECK(state.tasks["a"].starts == 1);
  CHECK_FALSE(std::filesystem::exists(setup.directory.run_file()));
}

TEST_CASE_FIXTURE(RunFixture, "a change that is none is said to be none") {
  add("a", {0}, 0, {.steps = 20});
  OneRequest request(clock, 10, setup.tasks);
  requests = &request;
  CHECK(run() == RunEnd::kDone);
  CHECK(request.answers.at(0).taken);
  CHECK(request.answers.at(0).text == "nothing has changed");
}

/// The accounts of the run's journal, which add up.
Accounts accounts_of(const RunSetup& setup) {
  const Accounts accounts = account(read_journal(setup.directory.journal_file()));
  CHECK(accounts.gangs.total() + accounts.away + accounts.idle == doctest::Approx(accounts.device_seconds));
  return accounts;
}

TEST_CASE_FIXTURE(RunFixture,
                  "a device is taken out of a run that goes on: its gang leaves with a checkpoint") {
  add("stays", {0}, 0, {.steps = 60});
  add("moves", {1}, 0, {.steps = 60, .checkpoint_seconds = 2});
  OneRequest request(clock, 10.5, setup.tasks);
  Cluster smaller = setup.cluster;
  smaller.nodes[0].devices.pop_back();
  request.change.cluster = smaller;
  requests = &request;
  OnePlan introspector;
  introspector.next = Proposal{"", plan, 0, 110};
  introspector.next->plan->assignments[1].devices = {0};
  CHECK(run(&introspector) == RunEnd::kDone);
  CHECK(request.answers.at(0).taken);
  CHECK(request.answers[0].text == "device 1 of n0 is taken out of the cluster");
  CHECK(introspector.reasons == std::vector<std::string>{"device 1 of n0 is taken out of the cluster"});
  CHECK(state.tasks["stays"].starts == 1);
  CHECK(state.tasks["moves"].starts == 2);
  CHECK(state.tasks["moves"].failures == 0);
  CHECK(state.tasks["moves"].gang->devices == std::vector<int>{0});
  CHECK(state.tasks["moves"].step == 60);
  CHECK(starts == std::vector<std::string>{"stays@0", "moves@0", "moves@61"});
  // What it had done by then counts: it went on from its checkpoint.
  const double end = clock.now().count();
  CHECK(end == doctest::Approx(61 + 1 + 51 + 2).epsilon(0.02));
  const Accounts accounts = accounts_of(setup);
  CHECK(accounts.device_seconds == doctest::Approx(2 * end));
  CHECK(accounts.away == doctest::Approx(end - 12.5).epsilon(0.02));
  CHECK(setup.cluster.nodes[0].devices.size() == 2);
}

TEST_CASE_FIXTURE(RunFixture, "devices that a run is given while it goes on are used") {
  add("a", {0}, 0, {.steps = 60});
  add("b", {1}, 0, {.steps = 60});
  add("c", {1}, 61, {.steps = 60});
  OneRequest request(clock, 10, setup.tasks);
  Cluster larger = setup.cluster;
  larger.nodes.push_back({"n1", "cpu", {{0, {2}, 0}, {1, {3}, 0}}});
  request.change.cluster = larger;
  requests = &request;
  OnePlan introspector;
  introspector.next = Proposal{"", plan, 0, 70};
  introspector.next->plan->assignments[2].node = "n1";
  CHECK(run(&introspector) == RunEnd::kDone);
  CHECK(request.answers.at(0).text == "devices 0,1 of n1 are new in the cluster");
  CHECK(state.tasks["a"].starts + state.tasks["b"].starts + state.tasks["c"].starts == 3);
  CHECK(state.tasks["c"].gang->node == "n1");
  const double end = clock.now().count();
  CHECK(end < 75);
  const double since = state.tasks["c"].gang->at;
  CHECK(accounts_of(setup).device_seconds == doctest::Approx(2 * end + 2 * (end - since)).epsilon(0.02));
}

TEST_CASE_FIXTURE(RunFixture,
                  "on a device that is another one now a gang is started again, with what it has done") {
  add("a", {0}, 0, {.steps = 20});
  add("b", {1}, 0, {.steps = 20});
  OneRequest request(clock, 10, setup.tasks);
  Cluster other = setup.cluster;
  other.nodes[0].devices[1].cores = {7};
  request.change.cluster = other;
  requests = &request;
  CHECK(run() == RunEnd::kDone);
  CHECK(request.answers.at(0).text == "device 1 of n0 is replaced by others");
  CHECK(state.tasks["a"].starts == 1);
  CHECK(state.tasks["b"].starts == 2);
  CHECK(clock.now() < Seconds(24));
  accounts_of(setup);
}

TEST_CASE_FIXTURE(RunFixture, "news of devices that were taken out is passed over; of others it is not") {
  add("a", {0}, 0, {.steps = 60});
  add("b", {1}, 0, {.steps = 60, .checkpoint_seconds = 2});
  outages.push_back({.at_seconds = 30, .node = "n0", .devices = {1}, .back_at_seconds = 50});
  OneRequest request(clock, 10, setup.tasks);
  Cluster smaller = setup.cluster;
  smaller.nodes[0].devices.pop_back();
  request.change.cluster = smaller;
  requests = &request;
  CHECK(run() == RunEnd::kSomeFailed);  // without a look nothing finds b another place
  CHECK(state.tasks["a"].phase == Phase::kFinished);
  CHECK(state.lost == std::set<std::pair<std::string, int>>{{"n0", 1}});
  int away = 0;
  for (const Record& record : read_journal(setup.directory.journal_file())) {
    away += std::holds_alternative<DevicesWentAway>(record);
    CHECK_FALSE(std::holds_alternative<DevicesCameBack>(record));
  }
  CHECK(away == 1);
  accounts_of(setup);
}

TEST_CASE_FIXTURE(RunFixture,
                  "a gang that died is started again on other devices that are free, the third time later") {
  setup.settings.retries = 3;
  setup.cluster.nodes.push_back({"gpus", "h100", {{0, {0}, 0}}});  // of another kind
  add("bad", {0}, 0, {.dies_at_step = 3});
  next_behaviours["bad"] = {{.dies_at_step = 3}, {.dies_at_step = 3}, {}};
  CHECK(run() == RunEnd::kDone);
  // Three seconds of each gang; on device 1 and back at once, then after 5 and after 10 seconds.
  CHECK(starts == std::vector<std::string>{"bad@0", "bad@4", "bad@13", "bad@27"});
  CHECK(messages.at(0) ==
        "warning: task 'bad' is started again from step 0 on device 1 of n0: rank 0 was killed by SIGKILL "
        "while training");
  CHECK(messages.at(1).find("on device 0 of n0") != std::string::npos);
  CHECK(read_plan(setup.directory.plan_file()).assignments.at(0).devices == std::vector<int>{1});
}

TEST_CASE_FIXTURE(
    RunFixture, "a gang is not moved to devices that another task has, is due on, or by hand was not given") {
  add("bad", {0}, 0, {.dies_at_step = 3});
  add("other", {1}, 0, {.steps = 50});
  next_behaviours["bad"] = {{}};
  CHECK(run() == RunEnd::kDone);
  CHECK(state.tasks["bad"].gang->devices == std::vector<int>{0});

  RunFixture pinned;
  pinned.add("bad", {0}, 0, {.dies_at_step = 3});
  pinned.plan.assignments[0].pinned = PinnedParts::whole();
  pinned.next_behaviours["bad"] = {{}};
  CHECK(pinned.run() == RunEnd::kDone);
  CHECK(pinned.state.tasks["bad"].gang->devices == std::vector<int>{0});
}

TEST_CASE_FIXTURE(RunFixture,
                  "with fail-fast the first task that is given up ends the run, the others at a checkpoint") {
  setup.fail_fast = true;
  setup.settings.retries = 0;
  add("bad", {0}, 0, {.dies_at_step = 3});
  add("good", {1}, 0, {.steps = 50});
  add("after", {0}, 11);
  CHECK(run() == RunEnd::kSomeFailed);
  CHECK(starts == std::vector<std::string>{"bad@0", "good@0"});
  CHECK(state.tasks["good"].phase == Phase::kWaiting);
  CHECK(state.tasks["good"].step >= 3);
  CHECK(state.ended == "stopped by a failure");
  CHECK(messages.back() == "the run ends with its first failure: every task writes a checkpoint and stops");
  behaviours["bad"] = {};
  CHECK(run() == RunEnd::kDone);
  CHECK(state.tasks["good"].phase == Phase::kFinished);
}

}  // namespace
}  // namespace saturn::executor_test
