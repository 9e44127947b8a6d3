// SPDX-License-Identifier: Apache-2.0
// The real worker with ddp under the real launcher: disks, checkpoints and data that are not as they should
// be.
#include <chrono>
#include <signal.h>
#include <thread>

#include "train/worker_gang.h"

namespace saturn::worker_damage_test {
using namespace saturn::test;

TEST_CASE("a checkpoint that cannot be written is reported, and training goes on") {
  const TemporaryDirectory directory;
  Job job = small_job(directory.path(), 1);
  job.task.checkpoint_every_steps = 5;
  // Files end at 50 KiB: to the worker that is a disk that is full.
  WorkerGang gang(job, {"/bin/sh", "-c", "trap '' XFSZ; ulimit -f 100; exec \"$0\" \"$@\""});
  const GangHistory history = gang.run();
  std::vector<std::int64_t> failed;
  for (const auto& event : history.all<CheckpointFailed>()) failed.push_back(event.step);
  CHECK(failed == std::vector<std::int64_t>{5, 10, 12});
  CHECK(history.last<CheckpointFailed>().message.find("File too large") != std::string::npos);
  CHECK(losses_of(job).size() == 12);
  CHECK(history.exited.code == 1);
  CHECK(history.last<Failed>().message ==
        "the final weights are not saved: the checkpoint of the last step could not be written");
  CHECK(std::filesystem::is_empty(job.directory / "checkpoints"));
}

TEST_CASE("the last steps are saved before they are validated") {
  const TemporaryDirectory directory;
  const GangHistory history = run_gang(small_job(directory.path(), 1));
  std::vector<std::string> order;
  for (const Event& event : history.events) {
    if (std::holds_alternative<Checkpointed>(event)) order.push_back("saved");
    if (std::holds_alternative<Validated>(event)) order.push_back("validated");
  }
  CHECK(order == std::vector<std::string>{"saved", "validated"});
}

TEST_CASE("when every checkpoint is damaged the task does not start over by itself") {
  for (int ranks = 1; ranks <= 2; ++ranks) {
    const TemporaryDirectory directory;
    const Job job = small_job(directory.path(), ranks);
    REQUIRE(run_gang(job).exited.code == 0);
    const std::string metrics = read_file(job.directory / "metrics.jsonl");
    const auto checkpoints = job.directory / "checkpoints";
    const auto damaged = checkpoints / "step-00000012";
    write_file_atomically(damaged / "checkpoint.json", "{");
    const GangHistory history = run_gang(job);
    CHECK(history.exited.code == 1);
    CHECK(history.all<Ready>().empty());
    CHECK(history.last<Failed>().message ==
          fmt::format(
              "no checkpoint in {} can be used: the checkpoint {} is damaged: checkpoint.json: it is no "
              "JSON map: truncated or damaged; repair one, or move that folder away to start over",
              checkpoints.string(), damaged.string()));
    CHECK(read_file(job.directory / "metrics.jsonl") == metrics);
    std::filesystem::remove_all(checkpoints);
    CHECK(run_gang(job).last<Ready>().step == 0);
  }
}

TEST_CASE(
    "a checkpoint of another seed, model or data is refused, also when the tensors have the same shapes") {
  const TemporaryDirectory directory;
  const Job job = small_job(directory.path(), 1);
  REQUIRE(run_gang(job).exited.code == 0);
  const std::string checkpoints = (job.directory / "checkpoints").string();
  const auto refusal = [&](const std::string& written, const std::string& task) {
    return fmt::format(
        "no checkpoint in {} can be used: the checkpoint {}/step-00000012 was written with {}; the task has "
        "{}; repair one, or move that folder away to start over",
        checkpoints, checkpoints, written, task);
  };
  Job other = job;
  other.task.seed = 8;
  CHECK(run_gang(other).last<Failed>().message == refusal("the seed 7", "8"));
  other = job;
  other.task.model.gpt.heads = 4;
  CHECK(run_gang(other).last<Failed>().message ==
        refusal("the model 'gpt layers=2 heads=2 width=32 context=16 vocabulary=256'",
                "'gpt layers=2 heads=4 width=32 context=16 vocabulary=256'"));
  other = job;
  const std::string text = read_file(job.task.data.files[0]);
  write_file_atomically(job.task.data.files[0], text + "more");
  const auto data = [&](std::size_t bytes) {
    return fmt::format("'text of {} bytes, {} held out, batches of {}'", bytes,
                       job.task.data.validation_fraction, job.task.batch_size);
  };
  CHECK(run_gang(other).last<Failed>().message ==
        refusal("the data " + data(text.size()), data(text.size() + 4)));
}

TEST_CASE("a newer checkpoint of another model is passed by, and said so") {
  const TemporaryDirectory directory;
  Job job = small_job(directory.path(), 2);
  job.task.checkpoint_every_steps = 5;
  REQUIRE(run_gang(job).exited.code == 0);
  Job other = job;
  other.directory = directory / "other";
  other.task.model.gpt.heads = 4;
  std::filesystem::create_directories(other.directory);
  REQUIRE(run_gang(other).exited.code == 0);
  const auto last = job.directory / "checkpoints" / "step-00000012";
  std::filesystem::remove_all(last);
  std::filesystem::rename(other.directory / "checkpoints" / "step-00000012", last);
  const GangHistory history = run_gang(job);
  CHECK(history.exited.code == 0);
  CHECK(history.last<Ready>().step == 10);
  CHECK(history.last<CheckpointSkipped>().message ==
        "the checkpoint " + last.string() +
            " was written with the model 'gpt layers=2 heads=4 width=32 context=16 vocabulary=256'; the task "
            "has 'gpt layers=2 heads=2 width=32 context=16 vocabulary=256'; it is skipped");
  CHECK(losses_of(job).size() == 12);
}

TEST_CASE("a newer checkpoint that is damaged is passed by, and the one written instead is named") {
  const TemporaryDirectory directory;
  Job job = small_job(directory.path(), 1);
  job.task.steps = 8;
  job.keep_checkpoints = 1;
  job.task.checkpoint_every_steps = 4;
  REQUIRE(run_gang(job).exited.code == 0);
  const auto checkpoints = job.directory / "checkpoints";
  const auto damaged = checkpoints / "step-00000099";
  std::filesystem::create_directory(damaged);
  write_file_atomically(damaged / "checkpoint.json", "{");
  job.task.steps = 12;
  const GangHistory history = run_gang(job);
  CHECK(history.exited.code == 0);
  CHECK(history.last<Ready>().step == 8);
  CHECK(history.last<Checkpointed>().path == (checkpoints / "step-00000012").string());
  CHECK(history.last<Finished>().step == 12);
}

TEST_CASE("damage in one rank's part costs that checkpoint; the one before is used, and said so") {
  const TemporaryDirectory directory;
  Job job = small_job(directory.path(), 2);
  job.task.checkpoint_every_steps = 5;
  REQUIRE(run_gang(job).exited.code == 0);
  const auto shard = job.directory / "checkpoints" / "step-00000012" / "model-00001-of-00002.safetensors";
  std::string bytes = read_file(shard);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 8);
  write_file_atomically(shard, bytes);
  const GangHistory history = run_gang(job);
  CHECK(history.exited.code == 0);
  CHECK(history.last<Ready>().step == 10);
  const std::string said = history.last<CheckpointSkipped>().message;
  CHECK(said.starts_with("the checkpoint " + shard.parent_path().string() + " is damaged: "));
  CHECK(said.ends_with(" does not have its checksum; it is skipped"));
  CHECK(losses_of(job).size() == 12);
}

TEST_CASE("killed while a checkpoint is being written, a task goes on from the one before") {
  const TemporaryDirectory directory;
  Job undisturbed = small_job(directory.path(), 1);
  undisturbed.task.steps = 60;
  REQUIRE(run_gang(undisturbed).exited.code == 0);
  Job killed = undisturbed;
  killed.directory = directory / "killed";
  killed.task.checkpoint_every_steps = 2;
  std::filesystem::create_directories(killed.directory);
  const auto checkpoints = killed.directory / "checkpoints";
  const auto being_written = [&] {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(checkpoints, ignored))
      if (entry.path().extension() == ".writing") return entry.path().filename().string();
    return std::string();
  };
  std::string interrupted;
  WorkerGang gang(killed);
  std::thread killer;
  const GangHistory history = gang.run([&](const Event& event) {
    if (!std::holds_alternative<Ready>(event)) return;
    const int process = process_of_rank(0);
    killer = std::thread([&, process] {  // stopped first: what is there then is what the kill leaves
      while (interrupted.empty() && ::kill(process, SIGSTOP) == 0) {
        const std::string found = being_written();
        if (found > "step-00000005") interrupted = found;
        ::kill(process, interrupted.empty() ? SIGCONT : SIGKILL);
        std::this_thread::sleep_for(std::chrono::microseconds(300));
      }
    });
    gang.launcher().release(gang.id());
  });
  killer.join();
  REQUIRE(history.exited.code == 128 + SIGKILL);
  CHECK(being_written() == interrupted);
  const std::int64_t step = history.last<Checkpointed>().step;
  const GangHistory again = run_gang(killed);
  CHECK(again.last<Ready>().step >= step);
  CHECK(fmt::format("step-{:08}.writing", again.last<Ready>().step) < interrupted);
  CHECK(losses_of(killed) == losses_of(undisturbed));
  CHECK(being_written().empty());
}

TEST_CASE("data that is cut short while it is in use ends the gang with a word on why") {
  const TemporaryDirectory directory;
  WorkerGang gang(small_job(directory.path(), 1));
  const GangHistory history = gang.run([&](const Event& event) {
    if (!std::holds_alternative<Ready>(event)) return;
    std::filesystem::resize_file(directory / "text.txt", 0);
    gang.launcher().release(gang.id());
  });
  CHECK(history.exited.code == 128 + SIGBUS);
  CHECK(
      history.log.find("a mapped file (the task's data or a checkpoint) was cut short, or cannot be read any "
                       "more, while it was in use\n") != std::string::npos);
}

TEST_CASE("what goes wrong on rank 0 alone while a checkpoint is joined ends the whole gang at once") {
  const TemporaryDirectory directory;
  Job job = small_job(directory.path(), 2);
  job.parallelism = "twice";
  job.library = SATURN_PLUGIN_TWICE;
  const GangHistory history = run_gang(job);
  CHECK(history.exited.code == 1);
  CHECK(history.last<Failed>().message == "tensor 'weight' was added by two ranks");
  CHECK(history.log.find("rank 1: rank 0: tensor 'weight' was added by two ranks\n") != std::string::npos);
}

}  // namespace saturn::worker_damage_test
