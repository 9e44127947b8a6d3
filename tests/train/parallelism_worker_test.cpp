// SPDX-License-Identifier: Apache-2.0
// The real worker with each of the built-in parallelisms; what they compute in float64 is held by
// conformance.
#include <cmath>

#include "train/worker_gang.h"

namespace saturn::parallelism_worker_test {
using namespace saturn::test;

namespace {

Job job_of(const std::filesystem::path& directory, const std::string& parallelism, const Knobs& knobs = {}) {
  Job job = small_job(directory, 2);
  job.parallelism = parallelism;
  job.library = std::filesystem::path(SATURN_PARALLELISMS) / parallelism / (parallelism + ".so");
  job.knobs = knobs;
  return job;
}

std::vector<double> losses(Job job, const std::string& precision) {
  job.task.precision = precision;
  job.directory /= precision;
  std::filesystem::create_directories(job.directory);
  const GangHistory history = run_gang(job);
  INFO("log: " << history.log);
  REQUIRE(history.exited.code == 0);
  return losses_of(job);
}

}  // namespace

TEST_CASE("bf16 with float32 masters stays near float32 under every parallelism") {
  for (const std::string parallelism : {"ddp", "fsdp", "pipeline", "spill"}) {
    CAPTURE(parallelism);
    const TemporaryDirectory directory;
    const Job job = job_of(directory.path(), parallelism);
    const std::vector<double> exact = losses(job, "fp32"), mixed = losses(job, "bf16");
    REQUIRE(exact.size() == mixed.size());
    for (std::size_t i = 0; i < exact.size(); ++i) CHECK(std::abs(exact[i] - mixed[i]) < 0.02);
    CHECK(exact != mixed);
  }
}

TEST_CASE("a split by hand that divides nothing is refused with what it should be") {
  const TemporaryDirectory directory;
  for (const std::string split : {"x+2", "3+2", "4", "0+4"}) {
    const Job job = job_of(directory.path(), "pipeline", {{"split", split}});
    CHECK(run_gang(job).last<Failed>().message ==
          fmt::format("split '{}' does not divide the model's 4 blocks among 2 devices (as '3+4' does 7 "
                      "blocks among 2) (in prepare() of the parallelism 'pipeline', {})",
                      split, job.library.string()));
  }
}

}  // namespace saturn::parallelism_worker_test
