// SPDX-License-Identifier: Apache-2.0
#include "run/halving.h"

#include <cmath>
#include <doctest/doctest.h>
#include <map>

#include "run_fixture.h"

namespace saturn::halving_test {
namespace {

using Kind = RungVerdict::Kind;
using Phase = TaskState::Phase;
using test::RunFixture;

/// Tasks "a", "b", ... of 100 steps.
struct Rungs {
  HalvingSettings settings{.rungs = {10, 30}, .reduction_factor = 3};
  std::vector<TaskSpec> tasks;
  RunState state;

  explicit Rungs(int count) {
    for (int i = 0; i < count; ++i) {
      TaskSpec task;
      task.name = std::string(1, static_cast<char>('a' + i));
      task.steps = 100;
      tasks.push_back(task);
    }
  }
  void validate(const std::string& task, std::int64_t step, double loss) {
    apply(state, ValidationDone{0, task, step, loss});
  }
  std::map<std::string, RungVerdict> verdicts() const {
    const auto all = rung_verdicts(settings, tasks, state);
    return {all.begin(), all.end()};
  }
  Kind kind(const std::string& task) const { return verdicts().at(task).kind; }
};

TEST_CASE("who comes first to a rung waits, and the best go on when enough have come") {
  Rungs rungs(6);
  rungs.validate("a", 10, 2.0);
  CHECK(rungs.kind("a") == Kind::kWaits);
  rungs.validate("b", 10, 1.0);
  rungs.validate("c", 10, 3.0);
  CHECK(rungs.kind("b") == Kind::kGoesOn);
  CHECK(rungs.kind("a") == Kind::kWaits);
  CHECK(rungs.verdicts().at("a") == RungVerdict{Kind::kWaits, 10, 2, 3});
  for (const char* task : {"d", "e", "f"}) rungs.validate(task, 10, 4.0);
  CHECK(rungs.kind("a") == Kind::kGoesOn);  // two of six
  CHECK(rungs.kind("c") == Kind::kIsOut);
  CHECK(rungs.kind("f") == Kind::kIsOut);
}

TEST_CASE("what has passed a rung is not judged there again") {
  Rungs rungs(6);
  for (const char* task : {"a", "b", "c"}) rungs.validate(task, 10, 3.0);
  CHECK(rungs.kind("a") == Kind::kGoesOn);  // of equal ones the first
  apply(rungs.state, RungPassed{0, "a", 10, 1, 3});
  for (const char* task : {"d", "e", "f"}) rungs.validate(task, 10, 1.0);
  CHECK(rungs.kind("a") == Kind::kGoesOn);
  CHECK(rungs.kind("d") == Kind::kGoesOn);
  CHECK(rungs.kind("b") == Kind::kIsOut);
}

TEST_CASE("the best of a rung goes on when nobody comes any more, and the last loss counts least") {
  Rungs rungs(2);
  rungs.validate("a", 10, std::nan(""));
  CHECK(rungs.kind("a") == Kind::kWaits);
  rungs.validate("b", 10, 9.0);
  CHECK(rungs.kind("b") == Kind::kGoesOn);
  CHECK(rungs.kind("a") == Kind::kIsOut);
}

TEST_CASE("failed and dropped tasks neither count nor are waited for") {
  Rungs rungs(3);
  rungs.validate("a", 10, 2.0);
  rungs.validate("b", 10, 1.0);
  apply(rungs.state, TaskFailed{0, "b", "dead"});
  CHECK(rungs.kind("a") == Kind::kWaits);
  apply(rungs.state, TasksChanged{0, {}, {"c"}, {}});
  CHECK(rungs.kind("a") == Kind::kGoesOn);
}

TEST_CASE("the next rung waits for those that wait below, and for those alone") {
  Rungs rungs(3);
  for (const auto& [task, loss] : std::map<std::string, double>{{"a", 1}, {"b", 2}})
    rungs.validate(task, 10, loss);
  apply(rungs.state, RungPassed{0, "a", 10, 1, 2});
  rungs.validate("a", 30, 1);
  CHECK(rungs.kind("a") == Kind::kWaits);  // b waits at 10, c is on its way
  rungs.validate("c", 10, 3);
  CHECK(rungs.kind("b") == Kind::kIsOut);
  CHECK(rungs.kind("a") == Kind::kGoesOn);
}

TEST_CASE("a script's first validation from the rung on counts") {
  Rungs rungs(1);
  rungs.validate("a", 9, 5);
  CHECK(rungs.verdicts().empty());
  rungs.validate("a", 12, 4);
  CHECK(rungs.kind("a") == Kind::kGoesOn);
}

TEST_CASE("tasks are planned to the next rung") {
  Rungs rungs(1);
  const TaskSpec& task = rungs.tasks[0];
  CHECK(planned_steps(rungs.settings, task, nullptr) == 10);
  TaskState state;
  state.rung_passed = 10;
  CHECK(planned_steps(rungs.settings, task, &state) == 30);
  state.rung_passed = 30;
  CHECK(planned_steps(rungs.settings, task, &state) == 100);
  CHECK(planned_steps({}, task, nullptr) == 100);
  TaskSpec short_one = task;
  short_one.steps = 30;
  CHECK(planned_steps(rungs.settings, short_one, &state) == 30);
}

TEST_CASE_FIXTURE(RunFixture,
                  "of nine tasks one trains to its end, three pass the first rung, and the devices go on") {
  setup.settings.halving = {.rungs = {10, 30}, .reduction_factor = 3};
  for (int i = 0; i < 9; ++i) {
    const double quality = 1 + (i * 4) % 9;
    add("t" + std::to_string(i), {i % 2}, i * 10.0,
        {.steps = 100, .validate_at = {10, 30}, .loss = [=](std::int64_t step) {
           return quality / static_cast<double>(step);
         }});
    setup.tasks.back().steps = 100;
  }
  CHECK(run() == RunEnd::kDone);
  int to_30 = 0;
  int to_100 = 0;
  for (const auto& [name, task] : state.tasks) {
    CHECK(task.phase == Phase::kFinished);
    to_30 += task.rung_passed >= 10;
    to_100 += task.step == 100;
    if (task.step < 100) CHECK(task.ended_early.find(" at step ") != std::string::npos);
  }
  CHECK(to_30 >= 3);
  CHECK(to_30 <= 4);  // one that came early may have gone on for want of better ones
  CHECK(to_100 == 1);
  CHECK(state.tasks["t0"].step == 100);  // the best one
  const RunState replayed = replay(read_journal(setup.directory.journal_file()));
  for (const auto& [name, task] : state.tasks) CHECK(replayed.tasks.at(name).phase == task.phase);
  const auto finished = clock.now();
  CHECK(run() == RunEnd::kDone);  // nothing is left to do
  CHECK(clock.now() == finished);
}

TEST_CASE_FIXTURE(RunFixture, "a task that waits at a rung for one that is given up then goes on") {
  setup.settings.halving = {.rungs = {10}, .reduction_factor = 2};
  setup.settings.retries = 0;
  add("good", {0}, 0, {.steps = 50, .validate_at = {10}});
  add("dies", {1}, 0, {.step_seconds = 5, .steps = 50, .dies_at_step = 9, .validate_at = {10}});
  for (TaskSpec& task : setup.tasks) task.steps = 50;
  CHECK(run() == RunEnd::kSomeFailed);
  CHECK(starts == std::vector<std::string>{"good@0", "dies@0", "good@46"});
  CHECK(state.tasks["dies"].phase == Phase::kFailed);
  CHECK(state.tasks["good"].phase == Phase::kFinished);
  CHECK(state.tasks["good"].step == 50);
}

}  // namespace
}  // namespace saturn::halving_test
