// SPDX-License-Identifier: Apache-2.0
// The worker on real GPUs, beside the same training on CPU slots.
#include <cmath>

#include "cluster/nvml.h"
#include "train/worker_gang.h"

namespace saturn::gpu_worker_test {
using namespace saturn::test;

namespace {

/// The job on the GPUs of this machine, ranks sharing one where there are fewer.
Job on_gpus(Job job) {
  const std::vector<Gpu> gpus = usable_gpus().gpus;
  job.device_kind = gpu_kind(gpus[0].name);
  for (std::size_t rank = 0; rank < job.devices.size(); ++rank) {
    const Gpu& gpu = gpus[rank % gpus.size()];
    job.devices[rank].uuid = gpu.uuid;
    job.devices[rank].name = gpu.name;
    job.devices[rank].memory_bytes = gpu_memory_budget(gpu.memory_bytes) / job.world_size();
  }
  return job;
}

/// As gpu_ranks.h, for processes of the launcher: each rank's shell gives it a host of its own.
std::vector<std::string> prefix_for(const Job& job) {
  if (usable_gpus().gpus.size() >= job.devices.size()) return {};
  return {"sh", "-c",
          "NCCL_HOSTID=saturn-test-$$ NCCL_NET=Socket NCCL_SOCKET_IFNAME=lo NCCL_P2P_DISABLE=1 "
          "NCCL_SHM_DISABLE=1 "
          "exec \"$@\"",
          "sh"};
}

GangHistory run_here(const Job& job) {
  return WorkerGang(job, prefix_for(job)).run();
}

/// The largest difference between two lists of losses.
double distance(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

}  // namespace

TEST_CASE("training on one and on two GPUs gives the losses of CPU slots") {
  const TemporaryDirectory directory;
  const Job cpu = small_job(directory.path(), 1);
  REQUIRE(run_gang(cpu).exited.code == 0);
  const std::vector<double> expected = losses_of(cpu);
  for (int ranks = 1; ranks <= 2; ++ranks) {
    Job job = on_gpus(small_job(directory.path(), ranks));
    job.directory = directory / fmt::format("gpu{}", ranks);
    std::filesystem::create_directories(job.directory);
    const GangHistory history = run_here(job);
    INFO("log: " << history.log);
    CHECK(history.exited.code == 0);
    CHECK(distance(losses_of(job), expected) < 1e-3);
  }
}

TEST_CASE("bf16 with float32 masters stays near float32 on a GPU") {
  const TemporaryDirectory directory;
  const Job cpu = small_job(directory.path(), 1);
  REQUIRE(run_gang(cpu).exited.code == 0);
  Job job = on_gpus(small_job(directory.path(), 2));
  job.task.precision = "bf16";
  job.directory = directory / "bf16";
  std::filesystem::create_directories(job.directory);
  const GangHistory history = run_here(job);
  INFO("log: " << history.log);
  CHECK(history.exited.code == 0);
  CHECK(distance(losses_of(job), losses_of(cpu)) < 0.05);
}

TEST_CASE("a task that began on a CPU slot goes on, on a GPU") {
  const TemporaryDirectory directory;
  Job job = small_job(directory.path(), 1);
  REQUIRE(run_gang(job).exited.code == 0);
  const std::vector<double> first = losses_of(job);
  job.task.steps *= 2;
  const GangHistory history = run_here(on_gpus(job));
  INFO("log: " << history.log);
  CHECK(history.exited.code == 0);
  CHECK(losses_of(job).size() == 2 * first.size());
  CHECK(losses_of(job).back() < first.front());
}

TEST_CASE("a trial on a GPU measures time and memory") {
  const TemporaryDirectory directory;
  Job job = on_gpus(small_job(directory.path(), 2));
  job.mode = Job::Mode::kTrial;
  const GangHistory history = run_here(job);
  INFO("log: " << history.log);
  CHECK(history.exited.code == 0);
  const auto measured = std::get<Measured>(history.last<CandidateTried>().outcome);
  CHECK(measured.step_seconds > 0);
  CHECK(measured.peak_memory_bytes > 100000);
}

TEST_CASE("a candidate out of memory on a GPU is an outcome, and the next one is tried") {
  const TemporaryDirectory directory;
  Job job = on_gpus(small_job(directory.path(), 1));
  job.mode = Job::Mode::kTrial;
  job.task.model.gpt = {.layers = 4, .heads = 4, .width = 256, .context = 256, .vocabulary = 8192};
  job.task.batch_size = 256;
  job.devices[0].memory_bytes = Bytes{768} << 20;
  job.knob_candidates = {{"micro_batch", {"256", "1"}}};
  const GangHistory history = run_here(job);
  INFO("log: " << history.log);
  CHECK(history.exited.code == 0);
  int out_of_memory = 0, measured = 0;
  for (const CandidateTried& tried : history.all<CandidateTried>()) {
    out_of_memory += std::holds_alternative<OutOfMemory>(tried.outcome) ? 1 : 0;
    measured += std::holds_alternative<Measured>(tried.outcome) ? 1 : 0;
  }
  CHECK(out_of_memory >= 1);
  CHECK(measured >= 1);
}

}  // namespace saturn::gpu_worker_test
