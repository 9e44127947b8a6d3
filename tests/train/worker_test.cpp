// SPDX-License-Identifier: Apache-2.0
// The real worker with ddp under the real launcher: training, stops, checkpoints, failures.
#include <algorithm>
#include <cmath>
#include <signal.h>
#include <unistd.h>

#include "train/worker_gang.h"

namespace saturn::worker_test {
using namespace saturn::test;

namespace {

std::vector<double> train(const std::filesystem::path& directory, int ranks,
                          const std::function<void(Job&)>& change = {}) {
  std::filesystem::create_directories(directory);
  Job job = small_job(directory, ranks);
  if (change) change(job);
  const GangHistory history = run_gang(job);
  INFO("log: " << history.log);
  REQUIRE(history.exited.code == 0);
  return losses_of(job);
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

/// Starts, and sends TERM to the gang after its first reported step; returns where it stopped.
std::int64_t stop_early(const Job& job) {
  WorkerGang gang(job);
  const GangHistory history = gang.run([&](const Event& event) {
    if (std::holds_alternative<Ready>(event)) gang.launcher().release(gang.id());
    if (std::holds_alternative<StepDone>(event)) gang.launcher().stop(gang.id(), Seconds(60));
  });
  CHECK(history.exited.code == 0);
  const auto step = history.last<Stopped>().step;
  CHECK(history.last<Checkpointed>().step == step);
  return step;
}

std::string weights_of(const Job& job) {
  return read_file(job.directory / "model.safetensors");
}

}  // namespace

TEST_CASE("a gang trains to the end: events, metrics, checkpoint and weights") {
  const TemporaryDirectory directory;
  Job job = small_job(directory.path(), 2);
  job.task.validate_every_steps = 5;
  job.task.checkpoint_every_steps = 4;
  const GangHistory history = run_gang(job);
  INFO("log: " << history.log);
  REQUIRE(history.exited.code == 0);
  CHECK(std::get<Ready>(history.events.front()).step == 0);
  CHECK(std::get<Ready>(history.events.front()).startup_seconds > 0);
  std::vector<std::int64_t> saved, validating, validated;
  for (const auto& event : history.all<Checkpointed>()) saved.push_back(event.step);
  for (const auto& event : history.all<Validating>()) {
    if (event.batch == 1 && event.batches == 2) validating.push_back(event.step);
  }
  for (const auto& event : history.all<Validated>()) validated.push_back(event.step);
  CHECK(saved == std::vector<std::int64_t>{4, 8, 12});
  CHECK(history.last<Checkpointed>().path == (job.directory / "checkpoints" / "step-00000012").string());
  CHECK(validating == std::vector<std::int64_t>{5, 10, 12});  // a sign of life at the start of each
  CHECK(validated == std::vector<std::int64_t>{5, 10, 12});
  CHECK(history.last<StepDone>().step == 12);
  const auto finished = history.last<Finished>();
  CHECK(finished.step == 12);
  CHECK(finished.validation_loss == history.last<Validated>().loss);
  CHECK(finished.weights == (job.directory / "model.safetensors").string());
  CHECK(std::filesystem::exists(finished.weights));
  const std::vector<double> losses = losses_of(job);
  CHECK(losses.size() == 12);
  CHECK(losses.back() == finished.training_loss);
  CHECK(losses.back() < losses.front());
  CHECK(std::distance(std::filesystem::directory_iterator(job.directory / "checkpoints"), {}) == 2);
}

TEST_CASE("two ranks train as one does, and every run alike") {
  const TemporaryDirectory directory;
  const std::vector<double> one = train(directory / "one", 1);
  const std::vector<double> two = train(directory / "two", 2);
  CHECK(largest_difference(one, two) < 2e-5);
  CHECK(train(directory / "again", 2) == two);
  const auto overlap = [](Job& job) { job.knobs = {{"overlap", "on"}, {"bucket_mb", "1"}}; };
  CHECK(train(directory / "overlap", 2, overlap) == two);
  const auto micro = [](Job& job) { job.task.micro_batch_size = 2; };
  CHECK(largest_difference(train(directory / "micro", 2, micro), one) < 2e-5);
  CHECK(largest_difference(train(directory / "micro-one", 1, micro), one) < 2e-5);
}

TEST_CASE("micro-batches that do not divide a device's share count by their rows") {
  const TemporaryDirectory directory;
  const auto twelve = [](Job& job) { job.task.batch_size = 12; };
  const auto in_threes = [](Job& job) {
    job.task.batch_size = 12;
    job.task.micro_batch_size = 3;  // three rows and one, on each of three devices
  };
  const std::vector<double> one = train(directory / "one", 1, twelve);
  CHECK(largest_difference(train(directory / "three", 3, in_threes), one) < 2e-5);
}

TEST_CASE("stopped by TERM and resumed, a task ends as if undisturbed") {
  for (int ranks = 1; ranks <= 2; ++ranks) {
    const TemporaryDirectory directory;
    Job undisturbed = small_job(directory.path(), ranks);
    undisturbed.task.steps = 60;
    undisturbed.task.optimizer.schedule = {"cosine", 5, 0.1};
    REQUIRE(run_gang(undisturbed).exited.code == 0);
    Job stopped = undisturbed;
    stopped.directory = directory / "stopped";
    std::filesystem::create_directories(stopped.directory);
    const std::int64_t step = stop_early(stopped);
    const GangHistory history = run_gang(stopped);
    CHECK(history.last<Ready>().step == step);
    CHECK(losses_of(stopped) == losses_of(undisturbed));
    CHECK(weights_of(stopped) == weights_of(undisturbed));
  }
}

TEST_CASE("killed in the middle of a step, a task goes on from its last checkpoint") {
  const TemporaryDirectory directory;
  Job undisturbed = small_job(directory.path(), 2);
  undisturbed.task.steps = 30;
  REQUIRE(run_gang(undisturbed).exited.code == 0);
  Job killed = undisturbed;
  killed.directory = directory / "killed";
  killed.task.checkpoint_every_steps = 4;
  std::filesystem::create_directories(killed.directory);
  {
    WorkerGang gang(killed);
    const GangHistory history = gang.run([&](const Event& event) {
      if (std::holds_alternative<Ready>(event)) gang.launcher().release(gang.id());
      const auto* saved = std::get_if<Checkpointed>(&event);
      if (saved != nullptr && saved->step == 8) gang.launcher().kill(gang.id());
    });
    CHECK(history.exited.code == 128 + SIGKILL);
  }
  const GangHistory history = run_gang(killed);
  CHECK(history.last<Ready>().step >= 8);
  CHECK(losses_of(killed) == losses_of(undisturbed));
  CHECK(weights_of(killed) == weights_of(undisturbed));
}

TEST_CASE("a checkpoint of one rank goes on on two") {
  const TemporaryDirectory directory;
  Job job = small_job(directory.path(), 1);
  job.task.steps = 40;
  const std::vector<double> undisturbed =
      train(directory / "undisturbed", 1, [](Job& j) { j.task.steps = 40; });
  const std::int64_t step = stop_early(job);
  job.devices = small_job(directory.path(), 2).devices;
  CHECK(run_gang(job).last<Ready>().step == step);
  CHECK(largest_difference(losses_of(job), undisturbed) < 1e-4);
}

TEST_CASE("a task that is finished already says so again, without a step") {
  const TemporaryDirectory directory;
  const Job job = small_job(directory.path(), 1);
  const auto first = run_gang(job).last<Finished>();
  const std::string metrics = read_file(job.directory / "metrics.jsonl");
  const GangHistory again = run_gang(job);
  CHECK(again.last<Ready>().step == 12);
  CHECK(again.last<Finished>().validation_loss == first.validation_loss);
  CHECK(again.last<Finished>().training_loss == first.training_loss);
  CHECK(read_file(job.directory / "metrics.jsonl") == metrics);
}

TEST_CASE("a gang that is stopped before its release leaves") {
  const TemporaryDirectory directory;
  WorkerGang gang(small_job(directory.path(), 2));
  const GangHistory history = gang.run([&](const Event& event) {
    if (std::holds_alternative<Ready>(event)) gang.launcher().stop(gang.id(), Seconds(60));
  });
  CHECK(history.exited.code == 0);
  CHECK(history.last<Stopped>().step == 0);
  CHECK(history.all<StepDone>().empty());
}

TEST_CASE("a loss that is no number ends the task; no checkpoint is made of it") {
  const TemporaryDirectory directory;
  Job job = small_job(directory.path(), 2);
  job.task.optimizer.lr = 1000;
  job.task.optimizer.weight_decay = 1;  // the weights grow a thousandfold with every step
  job.task.optimizer.clip = 0;
  job.task.steps = 50;
  const GangHistory history = run_gang(job);
  INFO("log: " << history.log);
  CHECK(history.exited.code == 1);
  const auto failed = history.last<Failed>();
  CHECK(failed.reason == Failed::Reason::kNotFinite);
  CHECK(failed.message.find("is no finite number") != std::string::npos);
  CHECK(history.all<Checkpointed>().empty());
}

TEST_CASE("a slot's budget ends the task as out of memory, at the same place every time") {
  const TemporaryDirectory directory;
  Job job = small_job(directory.path(), 1);
  job.devices[0].memory_bytes = 1 << 20;
  const auto first = run_gang(job).last<Failed>();
  CHECK(first.reason == Failed::Reason::kOutOfMemory);
  CHECK(first.message.find("out of memory: allocating ") == 0);
  CHECK(first.message.find(" in use passes the slot's budget of 1 MiB") != std::string::npos);
  CHECK(run_gang(job).last<Failed>().message == first.message);
}

TEST_CASE("memory that runs out on another rank is reported with its rank") {
  const TemporaryDirectory directory;
  Job job = small_job(directory.path(), 2);
  job.devices[1].memory_bytes = 700 << 10;  // enough to prepare
  const GangHistory history = run_gang(job);
  CHECK(history.exited.code == 1);
  const auto failed = history.last<Failed>();
  CHECK(failed.reason == Failed::Reason::kOutOfMemory);
  CHECK(failed.message.find("rank 1: out of memory: allocating ") == 0);
}

TEST_CASE("a rank that is killed is named by the others") {
  const TemporaryDirectory directory;
  Job job = small_job(directory.path(), 2);
  job.task.steps = 100000;
  WorkerGang gang(job);
  int victim = 0;
  const GangHistory history = gang.run([&](const Event& event) {
    if (std::holds_alternative<Ready>(event)) gang.launcher().release(gang.id());
    if (!std::holds_alternative<StepDone>(event) || victim != 0) return;
    victim = process_of_rank(1);
    REQUIRE(victim > 0);
    ::kill(victim, SIGKILL);
  });
  const auto failed = history.last<Failed>();
  CHECK(failed.reason == Failed::Reason::kError);
  CHECK(failed.message == fmt::format("rank 1 (process {}) died", victim));
  CHECK(history.exited.code == 128 + SIGKILL);
  CHECK(history.exited.rank == 1);
}

TEST_CASE("a plug-in that cannot be loaded is named with the reason") {
  const TemporaryDirectory directory;
  Job job = small_job(directory.path(), 1);
  job.parallelism = "mine";
  const auto message = [&](const std::string& library) {
    job.library = library;
    const GangHistory history = run_gang(job);
    CHECK(history.exited.code == 1);
    return history.last<Failed>().message;
  };
  CHECK(
      message("/nowhere/mine.so") ==
      "cannot load the parallelism 'mine': /nowhere/mine.so: cannot open shared object file: No such file or "
      "directory");
  CHECK(message(SATURN_PLUGIN_EMPTY) == std::string("cannot load the parallelism 'mine': ") +
                                            SATURN_PLUGIN_EMPTY +
                                            " has no function saturn_parallelism_abi (its source ends with "
                                            "SATURN_PARALLELISM(...))");
  CHECK(message(SATURN_PLUGIN_OLD) == std::string("cannot load the parallelism 'mine': ") +
                                          SATURN_PLUGIN_OLD +
                                          " was built for interface 999, this worker has 4; build it again");
}

TEST_CASE(
    "an exception in a parallelism ends the task with its text, the method and the plug-in, from any rank") {
  const auto message = [&](const std::string& mistake) {
    const TemporaryDirectory directory;
    Job job = small_job(directory.path(), 2);
    job.task.steps = 2000;
    job.parallelism = "mine";
    job.library = SATURN_PLUGIN_BROKEN;
    job.knobs = {{"mistake", mistake}};
    const GangHistory history = run_gang(job);
    CHECK(history.exited.code == 1);
    CHECK(history.last<Failed>().reason == Failed::Reason::kError);
    return history.last<Failed>().message;
  };
  const auto in = [](const std::string& method) {
    return fmt::format(" (in {}() of the parallelism 'mine', {})", method, SATURN_PLUGIN_BROKEN);
  };
  CHECK(message("prepare") == "a mistake in prepare" + in("prepare"));
  CHECK(message("last-rank") == "rank 1: a mistake in last-rank" + in("prepare"));
  CHECK(message("number") == "what was thrown is no std::exception" + in("prepare"));
  CHECK(message("nothing") == "nothing was returned" + in("prepare"));
  CHECK(message("step-1000") == "a mistake in a step" + in("step"));
}

TEST_CASE("a rank on a GPU that is not there says so and ends") {
  const TemporaryDirectory directory;
  Job job = small_job(directory.path(), 1);
  job.device_kind = "h100-80gb";
  job.devices[0].uuid = "GPU-00000000-0000-0000-0000-000000000000";
  const GangHistory history = run_gang(job);
  CHECK(history.exited.code == 1);
  const std::string message = history.last<Failed>().message;
  INFO(message);
  CHECK(history.last<Failed>().reason == Failed::Reason::kError);
  // Which of them depends on what is installed: no module, not all of CUDA's libraries, no such device.
  const bool clear = message.starts_with("cannot open ") || message.starts_with("cannot use the GPU: ");
  CHECK(clear);
}

TEST_CASE("a trial measures every candidate") {
  const TemporaryDirectory directory;
  Job job = small_job(directory.path(), 2);
  job.mode = Job::Mode::kTrial;
  job.knob_candidates = {{"bucket_mb", {"25", "1"}}, {"overlap", {"on"}}};
  const GangHistory history = run_gang(job);
  INFO("log: " << history.log);
  CHECK(history.exited.code == 0);
  const auto tried = history.all<CandidateTried>();
  REQUIRE(tried.size() == 2);
  CHECK(tried[0].knobs == Knobs{{"bucket_mb", "25"}, {"overlap", "on"}});
  CHECK(tried[1].knobs == Knobs{{"bucket_mb", "1"}, {"overlap", "on"}});
  for (const auto& candidate : tried) {
    const auto& measured = std::get<Measured>(candidate.outcome);
    CHECK(measured.step_seconds > 0);
    CHECK(measured.steps >= 3);
    CHECK(measured.steps <= 10);
    CHECK(measured.peak_memory_bytes > 100000);
    CHECK(measured.startup_seconds > 0);
    CHECK(measured.checkpoint_held_seconds > 0);
    CHECK(measured.checkpoint_seconds > measured.checkpoint_held_seconds);
    CHECK(measured.validation_seconds > 0);
  }
  CHECK(std::holds_alternative<TrialDone>(history.events.back()));
  CHECK(!std::filesystem::exists(job.directory / "trial-checkpoint"));
}

TEST_CASE("a candidate out of memory is an outcome; the ranks meet again for the next one") {
  const TemporaryDirectory directory;
  Job job = small_job(directory.path(), 2);
  job.mode = Job::Mode::kTrial;
  job.devices[1].memory_bytes = 820 << 10;  // enough to prepare, and by the cost model
  job.knob_candidates = {{"bucket_mb", {"25", "1"}}};
  const GangHistory history = run_gang(job);
  CHECK(history.exited.code == 0);
  const auto tried = history.all<CandidateTried>();
  REQUIRE(tried.size() == 2);
  for (const auto& candidate : tried) {
    CHECK(std::get<OutOfMemory>(candidate.outcome).message.find("rank 1: out of memory: allocating ") == 0);
  }
  CHECK(std::holds_alternative<TrialDone>(history.events.back()));
}

TEST_CASE("a candidate that the cost model gives no hope is not tried, and why is said") {
  const TemporaryDirectory directory;
  Job job = small_job(directory.path(), 2);
  job.mode = Job::Mode::kTrial;
  job.devices[1].memory_bytes = 400 << 10;  // of one rank: all decide alike
  job.knob_candidates = {{"micro_batch", {"all", "1/2"}}};
  const GangHistory history = run_gang(job);
  CHECK(history.exited.code == 0);
  const auto tried = history.all<CandidateTried>();
  REQUIRE(tried.size() == 2);
  for (const auto& candidate : tried) {
    const std::string why = std::get<NotApplicable>(candidate.outcome).why;
    CHECK(why.starts_with("not tried: by its cost model it needs "));
    CHECK(why.ends_with(", and the device has 400 KiB"));
  }
}

TEST_CASE("a parallelism that does not apply says why") {
  const TemporaryDirectory directory;
  Job job = small_job(directory.path(), 3);
  job.mode = Job::Mode::kTrial;
  const auto tried = run_gang(job).all<CandidateTried>();
  REQUIRE(tried.size() == 1);
  CHECK(std::get<NotApplicable>(tried[0].outcome).why ==
        "a batch of 8 rows cannot be split evenly over 3 devices");
}

}  // namespace saturn::worker_test
