// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <filesystem>

#include "base/file.h"
#include "launch/launcher.h"
#include "profile/fixtures.h"
#include "profile/profiler.h"
#include "temporary_directory.h"

namespace saturn::processes_test {

namespace {

/// Profiles one task on two devices with a shell script as the worker.
ProfileResult profile_with(const std::string& script, double timeout_seconds) {
  const test::TemporaryDirectory directory;
  const auto worker = directory / "worker.sh";
  write_file_atomically(worker, "#!/bin/sh\n" + script);
  std::filesystem::permissions(worker, std::filesystem::perms::owner_all);
  Workload workload;
  workload.tasks = {test::small_task("t")};
  workload.tasks[0].devices = {2};
  const Cluster cluster = test::slots(2);
  ProfileOptions options;
  options.worker = worker;
  options.scratch = directory / "scratch";
  options.conditions.settings.trial_timeout_seconds = timeout_seconds;
  options.stop_grace = Seconds(0.2);
  const auto launcher = make_local_launcher();
  const SteadyClock clock;
  const TrialPlan plan = plan_trials(workload, {test::manifest("ddp")}, cluster, test::machine());
  return run_trials(plan, cluster, *launcher, clock, options);
}

/// Rank 0 answers as a worker would; the other rank only leaves.
const std::string kGoodWorker = R"(
[ "$4" = 0 ] || exit 0
test -f "$2" || exit 9
echo '{"event": "ready", "step": 0, "startup_seconds": 0.5}'
read word
[ "$word" = go ] || exit 8
echo 'a line that is no event'
echo '{"event": "candidate", "knobs": {}, "outcome": "measured", "step_seconds": 0.5, "spread": 0, "steps": 5,
"peak_memory_bytes": 1, "startup_seconds": 1, "checkpoint_seconds": 1, "validation_seconds": 1, "unstable": false}' \
  | tr '\n' ' '
echo
echo '{"event": "trial_done"}'
)";

}  // namespace

TEST_CASE("a trial of real processes is released when ready and measured") {
  const ProfileResult result = profile_with(kGoodWorker, 60);
  REQUIRE(result.profile.trials.size() == 1);
  REQUIRE(std::holds_alternative<Measured>(result.profile.trials[0].outcome));
  CHECK(std::get<Measured>(result.profile.trials[0].outcome).step_seconds == 0.5);
}

TEST_CASE("a process that dies fails its trial with the words of its log, made fit for JSON") {
  const ProfileResult result =
      profile_with("echo \"last words of $4\" >&2; printf '\\377\\n' >&2; exit 7\n", 60);
  REQUIRE(result.profile.trials.size() == 1);
  REQUIRE(std::holds_alternative<TrialFailed>(result.profile.trials[0].outcome));
  const auto& failed = std::get<TrialFailed>(result.profile.trials[0].outcome);
  CHECK(failed.why.ends_with("exited with code 7"));
  CHECK(failed.log_tail.find("last words of ") != std::string::npos);
  CHECK(failed.log_tail.find("\xEF\xBF\xBD") != std::string::npos);
}

TEST_CASE("processes that hang and ignore TERM are killed at the time limit") {
  const ProfileResult result = profile_with("trap '' TERM\nwhile :; do sleep 0.1; done\n", 0.5);
  REQUIRE(result.profile.trials.size() == 1);
  CHECK(result.profile.trials[0].outcome == Outcome(TrialFailed{"no result within 500 ms", ""}));
}

}  // namespace saturn::processes_test
