// SPDX-License-Identifier: Apache-2.0
#include "report/run_report.h"

#include <cmath>
#include <doctest/doctest.h>

#include "report/golden.h"

namespace saturn::run_report_test {

namespace {

TaskSummary finished(const std::string& name, double validation_loss) {
  TaskSummary task;
  task.name = name;
  task.state = TaskSummary::State::kFinished;
  task.steps = 200;
  task.training_loss = 2.1;
  task.validation_loss = validation_loss;
  task.planned_seconds = 30;
  task.real_seconds = 30.4;
  task.weights = "/home/me/runs/sweep/tasks/" + name + "/model.safetensors";
  return task;
}

RunSummary example() {
  RunSummary summary;
  summary.tasks = {finished("small-lr1", 2.4567), finished("small-lr2", 2.25), finished("odd", std::nan(""))};
  TaskSummary failed;
  failed.name = "broken";
  failed.state = TaskSummary::State::kFailed;
  failed.steps = 17;
  failed.planned_seconds = 20;
  failed.real_seconds = 3;
  failed.message = "the loss is NaN at step 17";
  failed.log_tail = "step 16 loss 9.1\nstep 17 loss nan\x1b[0m";
  TaskSummary stopped;
  stopped.name = "later";
  stopped.state = TaskSummary::State::kStopped;
  stopped.steps = 40;
  stopped.of_steps = 200;
  stopped.real_seconds = 8;
  stopped.planned_seconds = 30;
  summary.tasks.push_back(failed);
  summary.tasks.push_back(stopped);
  summary.planned_makespan_seconds = 75;
  summary.real_makespan_seconds = 76.5;
  summary.idle_fraction = 0.021;
  return summary;
}

}  // namespace

TEST_CASE("the leaderboard is ordered by validation loss, tasks without a number last") {
  test::check_golden("leaderboard", leaderboard(example(), {}));
}

TEST_CASE("tasks that finished before their last step say why") {
  RunSummary summary = example();
  summary.tasks[1].steps = 120;
  summary.tasks[1].ended_early = "validation loss 2.25 at step 120 reached the target 2.3";
  test::check_golden(
      "early", leaderboard(summary, {}) + "\n" + task_table(summary, {}) + "\n" + run_report(summary, {}));
}

TEST_CASE("nothing finished is no leaderboard") {
  CHECK(leaderboard({}, {}).empty());
}

TEST_CASE("the final report shows failures with their log, the makespan, the best task and the weights") {
  test::check_golden("run", run_report(example(), {}));
}

TEST_CASE("a run in which nothing finished names no best task") {
  RunSummary summary = example();
  summary.tasks.erase(summary.tasks.begin(), summary.tasks.begin() + 3);
  summary.tasks.erase(summary.tasks.begin());
  summary.planned_makespan_seconds = 0;
  CHECK(run_report(summary, {}) ==
        "1 task: 1 stopped\n"
        "not finished  steps   of  time\n"
        "later            40  200   8 s\n"
        "makespan 1:17; devices idle 2.1 %\n");
}

TEST_CASE("weights that lie apart are listed one by one") {
  RunSummary summary;
  summary.tasks = {finished("a", 2), finished("b", 1)};
  summary.tasks[1].weights = "/elsewhere/b.safetensors";
  summary.real_makespan_seconds = 10;
  CHECK(run_report(summary, {}) ==
        "2 tasks: 2 finished\n"
        "makespan 10 s; devices idle 0.0 %\n"
        "best: 'b', validation loss 1.0000\n"
        "weights of 'b': /elsewhere/b.safetensors\n"
        "weights of 'a': /home/me/runs/sweep/tasks/a/model.safetensors\n");
}

TEST_CASE("the task table has every task with its state") {
  test::check_golden("tasks", task_table(example(), {}));
}

TEST_CASE("scripts need not validate nor name weights: the training loss orders them") {
  RunSummary summary;
  summary.tasks = {finished("a", std::nan("")), finished("b", std::nan(""))};
  summary.tasks[1].training_loss = 1.5;
  for (TaskSummary& task : summary.tasks) task.weights.clear();
  const std::string board = leaderboard(summary, {});
  CHECK(board.find("1  b") != std::string::npos);
  CHECK(run_report(summary, {}) ==
        "2 tasks: 2 finished\nmakespan 0 s; devices idle 0.0 %\nbest: 'b', training loss 1.5000\n");
}

}  // namespace saturn::run_report_test
