// SPDX-License-Identifier: Apache-2.0
#include "script/rank_fixture.h"

namespace saturn::rank_test {
using test::RankFixture, test::step_line;

TEST_CASE_FIXTURE(RankFixture,
                  "a script that reports its steps finishes; the rest of its output is in the log") {
  CHECK(run("echo hello; echo careful >&2\n" + step_line(1) + step_line(10, "0.25") +
            "echo '{\"event\":\"validated\",\"loss\":2}'\necho "
            "'{\"event\":\"finished\",\"weights\":\"/w\"}'\n") ==
        "ready 0; validated 10 2; finished 10 0.25 2 /w; exit 0");
  CHECK(log().find("hello\n") != std::string::npos);
  CHECK(log().find("careful\n") != std::string::npos);
  CHECK(log().find("\"event\"") == std::string::npos);
  CHECK(read_file(job.directory / "metrics.jsonl").find("{\"step\":1,\"loss\":0.5}\n") == 0);
}

TEST_CASE_FIXTURE(RankFixture,
                  "asked to stop, a script saves and leaves; the next start goes on from there") {
  on_event = [&](GangId id, const Event& event) {
    const auto* step = std::get_if<StepDone>(&event);
    if (step != nullptr && step->step < 20) launcher->stop(id, Seconds(30));
  };
  job.task.steps = 1000;
  const std::string story = run(test::kPoliteScript);
  CHECK(story.starts_with("ready 0; saved "));
  const std::string step = story.substr(15, story.find(';', 15) - 15);
  CHECK(story == "ready 0; saved " + step + "; stopped " + step + "; exit 0");
  on_event = [](GangId, const Event&) {};
  job.task.steps = std::stoi(step) + 3;
  job.command->environment = {{"TOTAL", std::to_string(job.task.steps)}};
  CHECK(run(test::kPoliteScript) ==
        fmt::format("ready {}; finished {} 0.25 nan ; exit 0", step, job.task.steps));
}

TEST_CASE_FIXTURE(RankFixture,
                  "a script that ignores the signal is killed after the grace, children and all") {
  on_event = [&](GangId id, const Event& event) {
    if (std::holds_alternative<StepDone>(event)) launcher->stop(id, Seconds(0.3));
  };
  CHECK(run("trap '' TERM\n" + step_line(1) + "sleep 1000 & sleep 1000\n") == "ready 0; exit 137");
}

TEST_CASE_FIXTURE(RankFixture, "a script that dies says why") {
  CHECK(run(step_line(1) + step_line(2) + "echo 'ValueError: no such layer' >&2; exit 3\n") ==
        "ready 0; failed error: the command exited with code 3: ValueError: no such layer (after step 2); "
        "exit 1");
  CHECK(run("kill -SEGV $$\n") ==
        "ready 0; failed error: the command was killed by SIGSEGV (before its first step); exit 1");
  CHECK(run("echo garbage; echo '{\"event\":\"step\"}'\n") ==
        "ready 0; failed error: the command ended without having reported a step: see 'Your own script' in "
        "parallelisms/README.md; exit 1");
  CHECK(log().find(
            "saturn: the line before is taken for no event: event 'step' lacks a whole number as 'step'") !=
        std::string::npos);
  job.command->argv = {"no-such-program"};
  CHECK(run_command() ==
        "ready 0; failed error: cannot start no-such-program: No such file or directory; the manifest's "
        "command "
        "names it; a program without a slash is looked for in PATH; exit 1");
}

TEST_CASE_FIXTURE(RankFixture, "what has said that it has finished may crash on its way out") {
  CHECK(run(step_line(10) + "echo '{\"event\":\"finished\"}'; kill -ABRT $$\n") ==
        "ready 0; finished 10 0.5 nan ; exit 0");
  CHECK(log().find("saturn: it had finished: the command was killed by SIGABRT") != std::string::npos);
}

TEST_CASE_FIXTURE(RankFixture, "a loss that is no number ends the script") {
  CHECK(run(step_line(1, "1.5") + step_line(2, "NaN") + "sleep 1000\n") ==
        "ready 0; failed nan: the loss of step 2 is no finite number (the last finite loss was 1.5); the "
        "checkpoint "
        "of step 0 is the last; exit 1");
}

TEST_CASE_FIXTURE(RankFixture, "out of memory, by its words and by the budget") {
  CHECK(
      run(step_line(1) +
          "echo 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate' >&2; exit 1\n") ==
      "ready 0; failed memory: out of memory: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate "
      "(exited with code 1) (after step 1); exit 1");
  job.devices = {{0, {}, Bytes{1} << 20}};
  const std::string story =
      run("x=0123456789; while :; do x=$x$x; echo '{\"event\":\"step\",\"step\":1}'; done\n");
  CHECK(story.starts_with("ready 0; failed memory: out of memory: its processes have "));
  CHECK(story.find("over the budget of 1 MiB") != std::string::npos);
}

TEST_CASE_FIXTURE(RankFixture, "an untouched script is heard by a pattern, carriage returns included") {
  job.command->patterns = {R"(step (?<step>\d+)/\d+ loss=(?<loss>\S+))", R"(wrote (?<checkpoint>\S+))"};
  CHECK(
      run("printf 'step 1/9 loss=3.5\\rstep 2/9 loss=2.5\\r' >&2; sleep 0.1; touch task/checkpoints/x; echo; "
          "echo wrote x\n"
          "printf '\\rstep 9/9 loss=1.5' >&2\n") == "ready 0; saved 2; finished 9 1.5 nan ; exit 0");
}

TEST_CASE_FIXTURE(RankFixture, "a checkpoint that is damaged: the one before is used, and said so") {
  const std::string save =
      "for n in 1 2; do echo \"{\\\"event\\\":\\\"step\\\",\\\"step\\\":$n}\"; echo $n >task/checkpoints/$n\n"
      "echo \"{\\\"event\\\":\\\"checkpointed\\\",\\\"step\\\":$n,\\\"path\\\":\\\"$n\\\"}\"; done; exit 1\n";
  CHECK(run(save).starts_with("ready 0; saved 1; saved 2; failed error"));
  const std::string go_on = "grep -q $SATURN_STEP $SATURN_CHECKPOINT || exit 4\n" + step_line(10);
  write_file_atomically(job.directory / "checkpoints/2", "damaged");
  CHECK(run(go_on) ==
        "ready 2; the script did not get over its checkpoint of step 2; the next start goes on from step 1; "
        "failed error: the command exited with code 4 (before its first step); exit 1");
  CHECK(run(go_on) == "ready 1; finished 10 0.5 nan ; exit 0");
}

TEST_CASE_FIXTURE(RankFixture, "a checkpoint that is not there is none") {
  CHECK(run(step_line(1) + "echo '{\"event\":\"checkpointed\",\"step\":1,\"path\":\"/none\"}'\n") ==
        "ready 0; not saved 1; finished 1 0.5 nan ; exit 0");
}

TEST_CASE_FIXTURE(RankFixture, "a flood of output does not fill the disk, and its end is kept") {
  CHECK(
      run(step_line(1) + "yes 0123456789012345678901234567890123456789 | head -c 80000000; echo the end\n") ==
      "ready 0; finished 1 0.5 nan ; exit 0");
  CHECK(log().size() < (65U << 20));
  CHECK(log().find("the log is full") != std::string::npos);
  CHECK(log().find("the end\n") != std::string::npos);
}

}  // namespace saturn::rank_test
