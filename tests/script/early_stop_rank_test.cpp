// SPDX-License-Identifier: Apache-2.0
// Stop rules applied to scripts: asked to leave as for any stop, they have finished.
#include "script/rank_fixture.h"

namespace saturn::early_stop_rank_test {
using test::RankFixture, test::step_line;

namespace {

/// Validates after every fifth step, with the loss that the shell's arithmetic makes of LOSS.
std::string validating(const std::string& loss) {
  std::string script = test::kPoliteScript;
  const std::string step = "  sleep 0.02\n";
  script.replace(script.find(step), step.size(),
                 "  [ $((n % 5)) -ne 0 ] || echo \"{\\\"event\\\":\\\"validated\\\",\\\"loss\\\":$((" + loss +
                     "))}\"\n  sleep 0.05\n");
  return script;
}

bool contains(const std::string& story, const std::string& part) {
  return story.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE_FIXTURE(RankFixture, "a script that reaches the target saves, leaves and has finished") {
  job.task.steps = 1000;
  job.task.stop.validation_loss = 85;
  const std::string story = run(validating("100 - n"));
  CAPTURE(story);
  CHECK(story.starts_with("ready 0; validated 5 95; validated 10 90; validated 15 85; "));
  CHECK(contains(story, "; saved "));
  CHECK(contains(story, "; finished "));
  CHECK(story.ends_with(" early: validation loss 85 at step 15 reached the target 85; exit 0"));
  CHECK(contains(log(), "saturn: the script is to end early: validation loss 85 at step 15 reached"));
  // Had it been killed before it said so, it would say it now, and not train.
  const std::string again = run("exit 9\n");
  CHECK(again.starts_with("ready "));
  CHECK(again.ends_with(" early: validation loss 85 at step 15 reached the target 85; exit 0"));
}

TEST_CASE_FIXTURE(RankFixture,
                  "a script that is stopped in between runs out of patience where it would have") {
  job.task.steps = 1000;
  job.task.stop.patience = 3;
  on_event = [&](GangId id, const Event& event) {
    const auto* validated = std::get_if<Validated>(&event);
    if (validated != nullptr && validated->step == 10) launcher->stop(id, Seconds(30));
  };
  const std::string first = run(validating("2"));
  CHECK(contains(first, "; stopped "));
  on_event = [](GangId, const Event&) {};
  const std::string second = run(validating("2"));
  CAPTURE(first);
  CAPTURE(second);
  CHECK_FALSE(contains(second, "validated 10 "));
  CHECK(contains(second, "validated 20 2; "));
  CHECK(second.ends_with(" early: no improvement on 2 (step 5) in 3 validations; exit 0"));
}

TEST_CASE_FIXTURE(RankFixture, "time is counted over all starts of a script, which takes a step at least") {
  job.task.stop.after_seconds = 3600;
  job.task.steps = 3;
  job.command->environment = {{"TOTAL", "3"}};
  CHECK(run(test::kPoliteScript) == "ready 0; finished 3 0.25 nan ; exit 0");
  job.task.steps = 1000;
  job.used_seconds = 3600;
  job.command->environment = {};
  const std::string story = run(test::kPoliteScript);
  CHECK(story.starts_with("ready 0; saved "));
  CHECK(story.ends_with(" early: 1:00:00 of training are used up; exit 0"));
}

TEST_CASE_FIXTURE(RankFixture, "a script that knows no stop, or ignores it, ends without a checkpoint") {
  job.task.stop.validation_loss = 1;
  job.stop_grace_seconds = 0.3;
  const std::string reached =
      step_line(4) + "echo '{\"event\":\"validated\",\"loss\":1}'\nsleep 1000 & wait; sleep 1000\n";
  const std::string end =
      "ready 0; validated 4 1; finished 4 0.5 1  early: validation loss 1 at step 4 reached the target 1 "
      "(asked to stop, the script left no checkpoint); exit 0";
  CHECK(run(reached) == end);
  CHECK(run("trap '' TERM\n" + reached) == end);
}

TEST_CASE_FIXTURE(RankFixture, "the checkpoint that is left is named when the script saves none at its end") {
  job.task.stop.validation_loss = 1;
  CHECK(run(step_line(2) + "touch task/checkpoints/x; echo '{\"event\":\"checkpointed\",\"path\":\"x\"}'\n" +
            step_line(4) + "echo '{\"event\":\"validated\",\"loss\":1}'\nexec sleep 1000\n") ==
        "ready 0; saved 2; validated 4 1; finished 4 0.5 1  early: validation loss 1 at step 4 reached the "
        "target 1 (asked to stop, the script left no checkpoint; the last is of step 2); exit 0");
}

TEST_CASE_FIXTURE(RankFixture, "a script at its last step is left to write its results") {
  job.task.stop.validation_loss = 1;
  CHECK(run("trap 'exit 9' TERM\n" + step_line(10) +
            "echo '{\"event\":\"validated\",\"loss\":1}'\nsleep 1.5\n"
            "echo '{\"event\":\"finished\",\"weights\":\"/w\"}'\n") ==
        "ready 0; validated 10 1; finished 10 0.5 1 /w; exit 0");
  CHECK(run("trap 'exit 9' TERM\n" + step_line(9) +
            "echo '{\"event\":\"validated\",\"step\":10,\"loss\":1}'\nsleep 1.5\n" + step_line(10)) ==
        "ready 0; validated 10 1; finished 10 0.5 1 ; exit 0");
}

TEST_CASE_FIXTURE(RankFixture, "a script that writes its weights when it is asked to stop names them") {
  job.task.stop.validation_loss = 1;
  CHECK(
      run("trap 'echo \"{\\\"event\\\":\\\"finished\\\",\\\"weights\\\":\\\"/w\\\"}\"; exit 0' TERM\n" +
          step_line(4) + "echo '{\"event\":\"validated\",\"loss\":1}'\nsleep 1000 & wait\n") ==
      "ready 0; validated 4 1; finished 4 0.5 1 /w early: validation loss 1 at step 4 reached the target 1; "
      "exit 0");
}

TEST_CASE_FIXTURE(RankFixture, "a training loss that is no number fails with a rule as without") {
  job.task.stop = {.validation_loss = 1, .patience = 2};
  CHECK(run(step_line(1, "1.5") + "echo '{\"event\":\"validated\",\"loss\":NaN}'\n" + step_line(2, "NaN") +
            "sleep 1000\n")
            .find("failed nan: the loss of step 2 is no finite number") != std::string::npos);
}

}  // namespace saturn::early_stop_rank_test
