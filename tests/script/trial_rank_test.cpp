// SPDX-License-Identifier: Apache-2.0
#include "script/rank_fixture.h"

namespace saturn::trial_rank_test {
using test::RankFixture, test::step_line;

namespace {

struct TrialFixture : RankFixture {
  TrialFixture() { job.mode = Job::Mode::kTrial; }

  std::string why() const {
    const auto* failed = std::get_if<TrialFailed>(&outcomes.at(0));
    return failed == nullptr ? "not failed" : failed->why + " | " + failed->log_tail;
  }
};

}  // namespace

TEST_CASE_FIXTURE(TrialFixture,
                  "a trial measures steps, start-up, memory and the checkpoint, and leaves nothing") {
  CHECK(run("echo '{\"event\":\"started\",\"steps\":77}'; sleep 0.3\n" + std::string(test::kPoliteScript)) ==
        "ready 0; measured; done; exit 0");
  const auto& measured = std::get<Measured>(outcomes.at(0));
  CHECK(measured.step_seconds >= 0.02);
  CHECK(measured.steps >= 2);
  CHECK(measured.startup_seconds >= 0.2);
  CHECK(measured.peak_memory_bytes > 0);
  CHECK(measured.checkpoint_seconds > 0);
  CHECK(measured.total_steps == 77);
  CHECK(std::filesystem::is_empty(job.directory));
}

TEST_CASE_FIXTURE(TrialFixture,
                  "every combination of knobs is tried; one out of memory does not end the trial") {
  job.knob_candidates = {{"a", {"1", "2"}}, {"b", {"x", "y"}}};
  job.command->argv = {"sh", "-c",
                       "test $0$1 = 1y && {{ echo 'MemoryError' >&2; exit 1; }}; for i in 1 2 3 4 5; do echo "
                       "\"{{\\\"event\\\":\\\"step\\\",\\\"step\\\":$i}}\"; sleep 0.02; done",
                       "{knobs.a}", "{knobs.b}"};
  CHECK(run_command() ==
        "ready 0; a=1 b=xmeasured; a=1 b=yout_of_memory; a=2 b=xmeasured; a=2 b=ymeasured; done; exit 0");
}

TEST_CASE_FIXTURE(TrialFixture, "no progress, garbage, and what never ends: why, and the end of the output") {
  job.trial.trial_timeout_seconds = 1;
  CHECK(run("echo loading; sleep 1000\n") == "ready 0; failed; done; exit 0");
  CHECK(why() ==
        "it reported no step within profile.trial_timeout (1 s): see 'Your own script' in "
        "parallelisms/README.md | loading");
  outcomes.clear();
  CHECK(run("while :; do echo garbage; done\n") == "ready 0; failed; done; exit 0");
  CHECK(why().find("garbage\ngarbage") != std::string::npos);
  outcomes.clear();
  CHECK(run(step_line(1) + "sleep 1000\n") == "ready 0; failed; done; exit 0");
  CHECK(why() == "it reported one step only within 1 s | ");
}

TEST_CASE_FIXTURE(TrialFixture, "a script that dies, ends early or says nothing") {
  CHECK(run("echo oops >&2; exit 2\n") == "ready 0; failed; done; exit 0");
  CHECK(why() == "the command exited with code 2: oops | oops");
  outcomes.clear();
  CHECK(run("echo done\n") == "ready 0; failed; done; exit 0");
  CHECK(why() ==
        "it ended without having reported a step: see 'Your own script' in parallelisms/README.md | done");
  CHECK(run(step_line(1) + "sleep 0.02\n" + step_line(2)) == "ready 0; measured; done; exit 0");
}

TEST_CASE_FIXTURE(TrialFixture, "how a script ends that has said that it is finished does not matter") {
  const std::string steps = step_line(1) + "sleep 0.02\n" + step_line(2);
  CHECK(run(steps + "exit 1\n") == "ready 0; failed; done; exit 0");
  CHECK(run(steps + "echo '{\"event\":\"finished\"}'\nexit 1\n") == "ready 0; measured; done; exit 0");
}

TEST_CASE_FIXTURE(TrialFixture, "a script that does not leave when it is asked to is killed and measured") {
  job.trial.trial_timeout_seconds = 1;
  CHECK(run("trap '' TERM\ni=0; while :; do i=$((i+1)); echo "
            "\"{\\\"event\\\":\\\"step\\\",\\\"step\\\":$i}\"; sleep "
            "0.02; done\n") == "ready 0; measured; done; exit 0");
}

TEST_CASE_FIXTURE(TrialFixture, "a trial that is called off leaves at once") {
  on_event = [&](GangId id, const Event& event) {
    if (std::holds_alternative<Ready>(event)) launcher->stop(id, Seconds(30));
  };
  CHECK(run("trap '' TERM; sleep 1000\n") == "ready 0; stopped 0; exit 0");
}

}  // namespace saturn::trial_rank_test
