// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "train/worker_gang.h"

namespace saturn::parallelism_memory_test {
using namespace saturn::test;

namespace {

constexpr std::int64_t kLayers = 8, kWidth = 128, kContext = 16;
/// Of a transformer block: two norms, the attention's 4 and the perceptron's 8 squares of the width, biases.
constexpr Bytes kBlockParameters = 12 * kWidth * kWidth + 13 * kWidth;
constexpr Bytes kParameters = kLayers * kBlockParameters + (256 + kContext + 2) * kWidth;
/// float32 weights, gradients and two optimizer states.
constexpr Bytes kTrainingState = 16 * kParameters;
/// What one row keeps for the backward pass: of each layer two norms, queries, keys and values, the mixture
/// and its projection, the perceptron's inside (four widths) and the two sums; logits; and the gradients of
/// all that of the layer, and of the logits, that are just made.
constexpr Bytes kActivations = 4 * kContext * ((kLayers + 1) * 13 * kWidth + 4 * kWidth + 2 * 256);

/// A gpt whose training state is far larger than its activations, to be tried with one setting.
Job trial_job(const std::filesystem::path& directory, int ranks, const std::string& parallelism,
              const Knobs& knobs) {
  Job job = small_job(directory, ranks);
  job.mode = Job::Mode::kTrial;
  job.task.model.gpt = {
      .layers = kLayers, .heads = 4, .width = kWidth, .context = kContext, .vocabulary = 256};
  job.task.data.validation_batches = 1;
  job.parallelism = parallelism;
  job.library = std::filesystem::path(SATURN_PARALLELISMS) / parallelism / (parallelism + ".so");
  for (const auto& [knob, value] : knobs) job.knob_candidates[knob] = {value};
  job.directory = directory / parallelism;
  std::filesystem::create_directories(job.directory);
  return job;
}

Outcome outcome_of(const Job& job) {
  const GangHistory history = run_gang(job);
  INFO("log: " << history.log);
  const auto tried = history.all<CandidateTried>();
  REQUIRE(tried.size() == 1);
  return tried.front().outcome;
}

Bytes peak_of(const Job& job) {
  const Outcome outcome = outcome_of(job);
  const auto* failed = std::get_if<TrialFailed>(&outcome);
  INFO("why: " << (failed != nullptr ? failed->why : ""));
  REQUIRE(std::holds_alternative<Measured>(outcome));
  return std::get<Measured>(outcome).peak_memory_bytes;
}

}  // namespace

TEST_CASE("ddp holds the training state and the activations") {
  const TemporaryDirectory directory;
  CHECK(peak_of(trial_job(directory.path(), 1, "ddp", {{"micro_batch", "1/8"}})) > kTrainingState);
}

TEST_CASE("ddp on several devices holds no second copy of the gradients") {
  const TemporaryDirectory directory;
  const Bytes peak = peak_of(trial_job(directory.path(), 2, "ddp", {{"micro_batch", "1/4"}}));
  const Bytes largest_gradient = 4 * 4 * kWidth * kWidth;
  CHECK(peak <= kTrainingState + 2 * largest_gradient + kActivations);
}

TEST_CASE("fsdp holds its part of the training state, two blocks and the activations") {
  const TemporaryDirectory directory;
  const Bytes two_blocks = 2 * 2 * 4 * kBlockParameters;  // weights and gradients
  for (const int ranks : {2, 4}) {
    const Knobs knobs{{"micro_batch", ranks == 2 ? "1/4" : "1/2"}, {"reshard", "on"}, {"checkpoint", "off"}};
    const Bytes peak = peak_of(trial_job(directory.path(), ranks, "fsdp", knobs));
    CAPTURE(ranks);
    CHECK(peak <= kTrainingState / ranks + two_blocks + kActivations);
  }
}

TEST_CASE("spill trains what is four times the device's budget, where ddp cannot") {
  const TemporaryDirectory directory;
  Job job = trial_job(directory.path(), 1, "spill", {{"micro_batch", "1/8"}, {"prefetch", "1"}});
  job.devices[0].memory_bytes = kTrainingState / 4;
  CHECK(peak_of(job) <= kTrainingState / 4);
  Job whole = trial_job(directory.path(), 1, "ddp", {{"micro_batch", "1/8"}});
  whole.devices[0].memory_bytes = kTrainingState / 4;
  CHECK_FALSE(std::holds_alternative<Measured>(outcome_of(whole)));
}

TEST_CASE("1F1B holds fewer activations than GPipe, checkpointing fewer still") {
  const TemporaryDirectory directory;
  const auto peak = [&](const std::string& schedule, const std::string& checkpoint) {
    Job job = trial_job(directory.path(), 2, "pipeline",
                        {{"schedule", schedule}, {"checkpoint", checkpoint}, {"micro_batches", "8"}});
    job.task.model.gpt.context = 128;  // activations count
    return peak_of(job);
  };
  const Bytes gpipe = peak("gpipe", "off"), one_one = peak("1f1b", "off");
  CHECK(one_one < gpipe);
  CHECK(peak("1f1b", "on") < one_one);
}

}  // namespace saturn::parallelism_memory_test
