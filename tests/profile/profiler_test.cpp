// SPDX-License-Identifier: Apache-2.0
#include "profile/profiler.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/file.h"
#include "profile/fixtures.h"
#include "profile/scripted_launcher.h"
#include "temporary_directory.h"

namespace saturn::profiler_test {
using test::manifest, test::measured, test::Script, test::small_task;

namespace {

/// A candidate measured after `seconds`, then the regular end.
Script success(double seconds, double step_seconds = 0.1) {
  return {.lines = {{seconds, Event(CandidateTried{{{"k", "1"}}, measured(step_seconds)})},
                    {seconds, Event(TrialDone{})},
                    {seconds + 0.5, GangExited{}}}};
}

Script ending(std::vector<Script::Line> lines) {
  return {.lines = std::move(lines)};
}

class Bench {
 public:
  explicit Bench(std::function<Script(const Job&)> script, int devices = 2)
      : cluster(test::slots(devices)), launcher(clock, std::move(script)) {
    options.worker = "/opt/saturn-worker";
    options.scratch = directory / "scratch";
    options.conditions = {"Fast Processor 9000", "worker 1", {}};
    options.conditions.settings.trial_timeout_seconds = 30;
    options.cache = TrialCache(directory / "cache");
    options.cancel = &cancel;
    options.progress = [this](const ProfileProgress& progress) {
      if (!progress.text.empty()) messages.push_back(progress.text);
      last = progress;
    };
  }

  ProfileResult run(std::vector<TaskSpec> tasks, std::vector<Manifest> manifests = {manifest("ddp")}) {
    Workload workload;
    workload.tasks = std::move(tasks);
    const TrialPlan plan = plan_trials(workload, manifests, cluster, test::machine());
    return run_trials(plan, cluster, launcher, clock, options);
  }

  test::TemporaryDirectory directory;
  ManualClock clock;
  Cluster cluster;
  test::ScriptedLauncher launcher;
  std::atomic<bool> cancel{false};
  ProfileOptions options;
  std::vector<std::string> messages;
  ProfileProgress last;
};

TaskSpec on(TaskSpec task, std::vector<std::int64_t> devices) {
  task.devices = std::move(devices);
  return task;
}

}  // namespace

TEST_CASE("a trial's gang gets its job, one command per rank, and is released when ready") {
  Bench bench([](const Job&) { return success(3); });
  Manifest ddp = manifest("ddp");
  ddp.knobs = {{"bucket_mb", {"1", "25"}}};
  const ProfileResult result = bench.run({on(small_task("t"), {2})}, {ddp});
  REQUIRE(bench.launcher.started.size() == 1);
  const auto& [job, spec, at] = bench.launcher.started[0];
  const std::string file = (bench.directory / "scratch" / "trial-0001" / "job.json").string();
  CHECK(spec.ranks ==
        std::vector<std::vector<std::string>>{
            {"/opt/saturn-worker", "--job", file, "--rank", "0", "--rendezvous", "{rendezvous}"},
            {"/opt/saturn-worker", "--job", file, "--rank", "1", "--rendezvous", "{rendezvous}"}});
  CHECK(spec.name == "t");
  CHECK(spec.node == "local");
  CHECK(job.mode == Job::Mode::kTrial);
  CHECK(job.parallelism == "ddp");
  CHECK(job.knob_candidates == ddp.knobs);
  CHECK(job.devices == bench.cluster.nodes[0].devices);
  CHECK(job.trial.trial_timeout_seconds == 30);
  REQUIRE(result.profile.trials.size() == 1);
  CHECK(result.profile.trials[0].outcome == Outcome(measured(0.1)));
  CHECK(result.profile.trials[0].knobs == Knobs{{"k", "1"}});
  CHECK(result.measured == 1);
  CHECK(!result.cancelled);
  CHECK(bench.messages == std::vector<std::string>{"t ddp on 2 devices: 100 ms a step"});
  CHECK(bench.last.done == 1);
  CHECK(bench.last.total == 1);
  CHECK(std::filesystem::is_empty(bench.directory / "scratch"));
}

TEST_CASE("trials are packed side by side, the widest first, no device twice") {
  Bench bench([](const Job& job) { return success(job.world_size()); }, 4);
  const ProfileResult result = bench.run({small_task("a"), small_task("b", 128), small_task("c", 256)});
  CHECK(result.measured == 12);
  CHECK(result.profile.trials.size() == 12);
  std::string starts;
  for (const auto& started : bench.launcher.started) {
    starts += fmt::format("{}@{} ", started.job.world_size(), started.at);
  }
  // Beside the gangs of 3 there is room for one; the last gang of 2 has a copy of itself beside it.
  CHECK(starts == "4@0 4@5.5 4@11 3@16.5 1@16.5 1@19 3@21 1@21.5 3@25.5 2@30 2@30 2@33.5 2@33.5 ");
}

TEST_CASE("a last trial alone is measured beside copies of itself, whose results are dropped") {
  Bench bench(
      [copies = -1](const Job&) mutable { return ++copies == 0 ? success(5, 0.1) : success(2, 0.9); });
  const ProfileResult result = bench.run({on(small_task("t"), {1})});
  CHECK(bench.launcher.most_at_once == 2);
  CHECK(bench.launcher.started.size() > 2);  // a copy that ends early is followed by another
  REQUIRE(result.profile.trials.size() == 1);
  CHECK(std::get<Measured>(result.profile.trials[0].outcome).step_seconds == 0.1);
  CHECK(result.measured == 1);
  CHECK(std::filesystem::is_empty(bench.directory / "scratch"));
}

TEST_CASE("copies that fail are not tried again") {
  Bench bench([n = 0](const Job&) mutable {
    return n++ == 0 ? success(5) : ending({{0, GangExited{1, 0}}});
  });
  const ProfileResult result = bench.run({on(small_task("t"), {1})});
  CHECK(bench.launcher.started.size() == 2);
  CHECK(result.failed == 0);
  CHECK(result.profile.trials.size() == 1);
}

TEST_CASE("a second run measures nothing") {
  Bench bench([](const Job&) { return success(1); });
  const ProfileResult first = bench.run({small_task("a")});
  const size_t started = bench.launcher.started.size();
  const ProfileResult second = bench.run({small_task("a")});
  CHECK(bench.launcher.started.size() == started);
  CHECK(second.cached == 2);
  CHECK(second.measured == 0);
  CHECK(second.profile == first.profile);
}

TEST_CASE("a trial without a result in time is stopped and failed, with the end of its log") {
  Bench bench([](const Job&) { return Script{.lines = {}, .obeys_stop = false}; });
  bench.launcher.before_wait = [&] {
    write_file_atomically(bench.directory / "scratch" / "trial-0001" / "log", "loading\nstuck here\n");
  };
  const ProfileResult result = bench.run({on(small_task("t"), {2})});
  CHECK(bench.launcher.stopped == std::vector<GangId>{0});
  CHECK(bench.clock.now().count() == doctest::Approx(35));
  REQUIRE(result.profile.trials.size() == 1);
  CHECK(result.profile.trials[0].outcome ==
        Outcome(TrialFailed{"no result within 30 s", "loading\nstuck here"}));
  CHECK(result.failed == 1);
  CHECK(bench.messages == std::vector<std::string>{"t ddp on 2 devices: failed: no result within 30 s"});
  CHECK(std::filesystem::exists(bench.directory / "scratch" / "trial-0001" / "log"));
  CHECK(!std::filesystem::exists(bench.directory / "scratch" / "trial-0001" / "work"));
}

TEST_CASE("a gang that dies fails its trial and keeps the candidates before; it is tried again next time") {
  const auto cases = std::vector<std::pair<GangExited, std::string>>{
      {{3, 1}, "rank 1 exited with code 3"},
      {{137, 0}, "rank 0 was killed by signal 9 (the system may be out of memory)"},
      {{139, 1}, "rank 1 was killed by signal 11"},
      {{0, 0}, "rank 0 left without a result"}};
  for (const auto& [exit, why] : cases) {
    Bench bench([exited = exit](const Job&) {
      return ending({{1, Event(CandidateTried{{{"k", "1"}}, measured(0.1)})}, {2, exited}});
    });
    const ProfileResult result = bench.run({on(small_task("t"), {2})});
    REQUIRE(result.profile.trials.size() == 2);
    CHECK(result.profile.trials[0].outcome == Outcome(measured(0.1)));
    CHECK(result.profile.trials[1].outcome == Outcome(TrialFailed{why, ""}));
    CHECK(result.failed == 1);
    bench.run({on(small_task("t"), {2})});
    CHECK(bench.launcher.started.size() == 2);
  }
}

TEST_CASE("what was being measured on a node that is lost is measured on another") {
  int gangs = 0;
  Bench bench([&](const Job&) {
    return gangs++ == 0 ? ending({{1, DevicesLost{"local", {0}, "silent"}}}) : success(3);
  });
  bench.cluster = test::slots(1);
  bench.cluster.nodes.push_back(bench.cluster.nodes[0]);
  bench.cluster.nodes[1].name = "other";
  const ProfileResult result = bench.run({on(small_task("t"), {1})});
  REQUIRE(result.profile.trials.size() == 1);
  CHECK(result.profile.trials[0].outcome == Outcome(measured(0.1)));
  CHECK_FALSE(result.cancelled);
  CHECK(bench.launcher.started.front().spec.node == "local");
  CHECK(bench.launcher.started.back().spec.node == "other");
  CHECK(bench.messages.front() == "lost local: silent");
}

TEST_CASE("with no node left there is an error, not a failed trial") {
  Bench bench([](const Job&) { return ending({{1, DevicesLost{"local", {0, 1}, "srun: no such file"}}}); });
  CHECK_THROWS_WITH_AS(bench.run({on(small_task("t"), {2})}),
                       "cannot measure on local: srun: no such file; when the nodes are back the same "
                       "command goes on: what was measured is kept",
                       SystemError);
}

TEST_CASE("a trial across nodes takes whole shares of several, lead node first") {
  Bench bench([](const Job&) { return success(3); });
  bench.cluster.nodes.push_back(bench.cluster.nodes[0]);
  bench.cluster.nodes[1].name = "other";
  TaskSpec task = on(small_task("t"), {4});
  task.across_nodes = 2;
  const ProfileResult result = bench.run({task});
  REQUIRE(bench.launcher.started.size() == 1);
  const auto& started = bench.launcher.started[0];
  CHECK(started.job.world_size() == 4);
  CHECK(started.job.nodes == std::vector<NodeShare>{{"local", 2}, {"other", 2}});
  CHECK(started.spec.node == "local");
  REQUIRE(result.profile.trials.size() == 1);
  CHECK(result.profile.trials[0].nodes == 2);
  CHECK(bench.messages.back() == "t ddp on 4 devices of 2 nodes: 100 ms a step");
}

TEST_CASE("a gang out of memory is out of memory, not failed, and need not be tried again") {
  Bench bench([](const Job&) {
    return ending({{1, Event(Failed{Failed::Reason::kOutOfMemory, "needs 2 GiB, the slot has 1 GiB"})},
                   {1, GangExited{1, 0}}});
  });
  const ProfileResult result = bench.run({on(small_task("t"), {2})});
  REQUIRE(result.profile.trials.size() == 1);
  CHECK(result.profile.trials[0].outcome == Outcome(OutOfMemory{"needs 2 GiB, the slot has 1 GiB"}));
  CHECK(result.failed == 0);
  CHECK(bench.run({on(small_task("t"), {2})}).cached == 1);
}

TEST_CASE("an error that the gang reports is the reason of the failure") {
  Bench bench([](const Job&) {
    return ending(
        {{1, Event(Failed{Failed::Reason::kNotFinite, "the loss is NaN at step 2"})}, {1, GangExited{1, 0}}});
  });
  const ProfileResult result = bench.run({on(small_task("t"), {2})});
  REQUIRE(result.profile.trials.size() == 1);
  CHECK(result.profile.trials[0].outcome == Outcome(TrialFailed{"the loss is NaN at step 2", ""}));
}

TEST_CASE("a parallelism that offers nothing is not applicable") {
  Bench bench([](const Job&) { return ending({{1, Event(TrialDone{})}, {1, GangExited{}}}); });
  const ProfileResult result = bench.run({on(small_task("t"), {2})});
  REQUIRE(result.profile.trials.size() == 1);
  CHECK(result.profile.trials[0].outcome == Outcome(NotApplicable{"it offers no candidate"}));
  CHECK(bench.messages ==
        std::vector<std::string>{"t ddp on 2 devices: not applicable: it offers no candidate"});
}

TEST_CASE("cancelling stops every gang and keeps whole trials, in the cache too") {
  Bench bench([](const Job& job) { return success(job.task.name == "slow" ? 20 : 2); });
  bench.launcher.before_wait = [&] { bench.cancel = bench.clock.now().count() > 6; };
  const std::vector<TaskSpec> tasks = {on(small_task("fast"), {2}), on(small_task("slow", 128), {2}),
                                       on(small_task("never", 256), {2})};
  const ProfileResult result = bench.run(tasks);
  CHECK(result.cancelled);
  CHECK(result.measured == 1);
  REQUIRE(result.profile.trials.size() == 1);
  CHECK(result.profile.tasks.size() == 3);
  CHECK(bench.launcher.started.size() == 2);
  CHECK(bench.launcher.stopped == std::vector<GangId>{1});
  CHECK(bench.clock.now().count() < 10);

  bench.launcher.before_wait = nullptr;
  bench.cancel = false;
  const ProfileResult rest = bench.run(tasks);
  CHECK(rest.cached == 1);
  CHECK(rest.measured == 2);
  CHECK(!rest.cancelled);
}

TEST_CASE("cancelled before it starts, it starts nothing") {
  Bench bench([](const Job&) { return success(1); });
  bench.cancel = true;
  const ProfileResult result = bench.run({small_task("t")});
  CHECK(result.cancelled);
  CHECK(bench.launcher.started.empty());
}

TEST_CASE("a cache that cannot be written costs a warning, not the result") {
  Bench bench([](const Job&) { return success(1); });
  write_file_atomically(bench.directory / "file", "");
  bench.options.cache = TrialCache(bench.directory / "file");
  const ProfileResult result = bench.run({on(small_task("t"), {2})});
  CHECK(result.measured == 1);
  REQUIRE(result.warnings.size() == 1);
  CHECK(result.warnings[0] ==
        "cannot create directory " + (bench.directory / "file").string() + ": Not a directory");
}

}  // namespace saturn::profiler_test
