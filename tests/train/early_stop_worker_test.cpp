// SPDX-License-Identifier: Apache-2.0
// Stop rules applied by the real worker: where it ends, what it leaves, and that stops in between, moves to
// another parallelism and deaths change nothing about that.
#include <cmath>
#include <optional>

#include "train/worker_gang.h"

namespace saturn::early_stop_worker_test {
using namespace saturn::test;

namespace {

Job job_of(const std::filesystem::path& directory, const std::string& parallelism, int ranks) {
  Job job = small_job(directory, ranks);
  job.parallelism = parallelism;
  job.library = std::filesystem::path(SATURN_PARALLELISMS) / parallelism / (parallelism + ".so");
  job.task.steps = 60;
  job.task.validate_every_steps = 4;
  return job;
}

/// In a directory of its own beside that of `job`.
Job copy_of(Job job, const std::string& name) {
  job.directory = job.directory.parent_path() / name;
  std::filesystem::create_directories(job.directory);
  return job;
}

/// The gang gets TERM, or is killed, when it has validated after that step.
GangHistory disturb(const Job& job, std::int64_t step, bool kill) {
  WorkerGang gang(job);
  return gang.run([&](const Event& event) {
    if (std::holds_alternative<Ready>(event)) gang.launcher().release(gang.id());
    const auto* validated = std::get_if<Validated>(&event);
    if (validated == nullptr || validated->step != step) return;
    if (kill)
      gang.launcher().kill(gang.id());
    else
      gang.launcher().stop(gang.id(), Seconds(60));
  });
}

std::vector<std::int64_t> validated_steps(const GangHistory& history) {
  std::vector<std::int64_t> steps;
  for (const auto& event : history.all<Validated>()) steps.push_back(event.step);
  return steps;
}

/// metrics.jsonl without the times.
std::string metrics_of(const Job& job) {
  std::string text;
  for (const std::string& line : split_lines(read_file(job.directory / "metrics.jsonl"))) {
    if (line.empty()) continue;
    auto json = nlohmann::json::parse(line);
    for (const char* time : {"step_seconds", "samples_per_second", "tokens_per_second"}) json.erase(time);
    text += json.dump() + "\n";
  }
  return text;
}

/// No validation improves by that much: the rule ends the task at the third, after step 12.
void lose_patience(Job& job) {
  job.task.stop = {.patience = 2, .min_improvement = 100};
}

}  // namespace

TEST_CASE("a target ends the task at its validation, with the checkpoint and weights of that step") {
  const TemporaryDirectory directory;
  const Job whole = job_of(directory.path(), "ddp", 2);
  std::optional<Validated> target;  // the fifth, lower than all before
  double lowest = HUGE_VAL;
  const GangHistory undisturbed = run_gang(whole);
  REQUIRE(undisturbed.exited.code == 0);
  CHECK(undisturbed.last<Finished>().why.empty());
  for (const auto& validated : undisturbed.all<Validated>()) {
    if (validated.step >= 20 && validated.loss < lowest && !target) target = validated;
    lowest = std::min(lowest, validated.loss);
  }
  REQUIRE(target);
  Job early = copy_of(whole, "early");
  early.task.stop.validation_loss = target->loss;
  const GangHistory history = run_gang(early);
  INFO("log: " << history.log);
  REQUIRE(history.exited.code == 0);
  const auto finished = history.last<Finished>();
  CHECK(finished.step == target->step);
  CHECK(finished.validation_loss == target->loss);
  CHECK(finished.why == fmt::format("validation loss {:.5g} at step {} reached the target {}", target->loss,
                                    target->step, target->loss));
  CHECK(history.last<Checkpointed>().step == target->step);
  CHECK(validated_steps(history).back() == target->step);  // and no second one of the same step
  Job as_long = copy_of(whole, "as-long");
  as_long.task.steps = target->step;
  CHECK(run_gang(as_long).last<Finished>().why.empty());
  CHECK(read_file(finished.weights) == read_file(as_long.directory / "model.safetensors"));
}

TEST_CASE("out of patience, stopped in between, moved and killed: the end is at the same step") {
  const TemporaryDirectory directory;
  Job undisturbed = job_of(directory.path(), "ddp", 1);
  lose_patience(undisturbed);
  const auto finished = run_gang(undisturbed).last<Finished>();
  CHECK(finished.step == 12);
  CHECK(finished.why.starts_with("no improvement of 100 on "));
  CHECK(finished.why.ends_with(" (step 4) in 2 validations"));

  SUBCASE("stopped and gone on with on two ranks of another parallelism") {
    Job stopped = copy_of(undisturbed, "stopped");
    CHECK(disturb(stopped, 8, false).last<Stopped>().step < 12);
    Job moved = job_of(directory.path(), "fsdp", 2);
    moved.task = stopped.task;
    moved.directory = stopped.directory;
    const auto again = run_gang(moved).last<Finished>();
    CHECK(again.step == 12);
    CHECK(again.why == finished.why);
    CHECK(again.validation_loss == doctest::Approx(finished.validation_loss).epsilon(1e-4));
  }
  SUBCASE("killed after a validation that the last checkpoint does not know") {
    Job killed = copy_of(undisturbed, "killed");
    killed.task.checkpoint_every_steps = 3;
    (void)disturb(killed, 8, true);
    const GangHistory history = run_gang(killed);
    CHECK(history.last<Finished>().why == finished.why);
    CHECK(history.last<Finished>().validation_loss == finished.validation_loss);
    CHECK(metrics_of(killed) == metrics_of(undisturbed));
    CHECK(read_file(killed.directory / "model.safetensors") ==
          read_file(undisturbed.directory / "model.safetensors"));
  }
  SUBCASE("killed on its way out") {
    Job killed = copy_of(undisturbed, "killed");
    (void)run_gang(killed);  // whose last word was not heard
    const std::string metrics = read_file(killed.directory / "metrics.jsonl");
    const GangHistory history = run_gang(killed);
    CHECK(history.last<Ready>().step == 12);
    CHECK(history.all<StepDone>().empty());
    CHECK(history.all<Validated>().empty());
    CHECK(history.last<Finished>().why == finished.why);
    CHECK(history.last<Finished>().validation_loss == finished.validation_loss);
    CHECK(history.last<Finished>().training_loss == finished.training_loss);
    CHECK(read_file(killed.directory / "metrics.jsonl") == metrics);
  }
}

TEST_CASE("every parallelism ends where the rule says") {
  for (const std::string parallelism : {"fsdp", "pipeline", "spill"}) {
    CAPTURE(parallelism);
    const TemporaryDirectory directory;
    Job job = job_of(directory.path(), parallelism, 2);
    lose_patience(job);
    const GangHistory history = run_gang(job);
    INFO("log: " << history.log);
    CHECK(history.last<Finished>().step == 12);
    CHECK(history.last<Checkpointed>().step == 12);
    CHECK(losses_of(job).size() == 12);
  }
}

TEST_CASE("a limit of time counts the gangs before, and ends with a validation") {
  const TemporaryDirectory directory;
  Job job = job_of(directory.path(), "ddp", 2);
  job.task.validate_every_steps = 0;
  job.task.stop.after_seconds = 3600;
  job.task.steps = 6;
  CHECK(run_gang(job).last<Finished>().why.empty());
  Job late = copy_of(job, "late");
  late.used_seconds = 3600;  // by gangs that left no checkpoint: one step it takes
  const GangHistory first = run_gang(late);
  CHECK(first.last<Finished>().step == 1);
  CHECK(first.last<Finished>().why == "1:00:00 of training are used up");
  CHECK(validated_steps(first) == std::vector<std::int64_t>{1});
  const GangHistory again = run_gang(late);
  CHECK(again.all<Validated>().empty());
  CHECK(again.last<Finished>().step == 1);
  CHECK(again.last<Finished>().validation_loss == first.last<Finished>().validation_loss);
}

TEST_CASE("by another rule a task goes on after its early end as if it had not been there") {
  const TemporaryDirectory directory;
  Job undisturbed = job_of(directory.path(), "ddp", 1);
  undisturbed.task.stop = {.patience = 4, .min_improvement = 100};
  CHECK(run_gang(undisturbed).last<Finished>().step == 20);
  Job early = copy_of(undisturbed, "early");
  early.task.stop.after_seconds = early.used_seconds = 60;
  CHECK(run_gang(early).last<Finished>().step == 1);  // with a validation that the schedule has not
  early.task.stop.after_seconds = 0;
  CHECK(run_gang(early).last<Finished>().step == 20);
  CHECK(read_file(early.directory / "model.safetensors") ==
        read_file(undisturbed.directory / "model.safetensors"));
}

}  // namespace saturn::early_stop_worker_test
