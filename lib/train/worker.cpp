// SPDX-License-Identifier: Apache-2.0
#include "train/worker.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
#include <signal.h>
#include <string_view>
#include <unistd.h>

#include "base/error.h"
#include "base/supervisor.h"
#include "train/accelerator.h"
#include "train/pinning.h"
#include "train/plugin.h"
#include "train/rank_context.h"
#include "train/training_loop.h"
#include "train/trial.h"

namespace saturn {
namespace {

/// Generous: a peer may be writing to a slow disk. The supervisor notices a gang that hangs much earlier.
constexpr Seconds kLongestWait{1800};

/// Data and checkpoints are mapped, not read: when such a file is cut short meanwhile, the next access to it
/// raises SIGBUS. The handler says so and returns; the access is repeated and ends the process.
void explain_bus_errors() {
  struct sigaction action {};
  action.sa_handler = [](int) {
    constexpr std::string_view kText =
        "a mapped file (the task's data or a checkpoint) was cut short, or cannot be read any more, while it "
        "was in use\n";
    [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, kText.data(), kText.size());
  };
  action.sa_flags = SA_RESETHAND;
  ::sigaction(SIGBUS, &action, nullptr);
}

/// Keeps standard output for events: what any library prints goes to the log. Returns where events go.
int claim_standard_output() {
  std::fflush(stdout);
  const int events = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  if (events < 0) throw SystemError("keep", "standard output", errno);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  return events;
}

Job read_checked_job(const WorkerOptions& options) {
  Job job = read_job(options.job);
  if (options.rank < 0 || options.rank >= job.world_size()) {
    throw InputError(fmt::format("--rank {}: the job has {} ranks", options.rank, job.world_size()));
  }
  return job;
}

void run_rank(const WorkerOptions& options, const Job& job, const EventWriter& events) {
  const Device& device = job.devices[static_cast<std::size_t>(options.rank)];
  pin_to_cores(device.cores);
  const auto accelerator = open_accelerator(job.device_kind, device);
  accelerator->set_memory_budget(device.memory_bytes);
  const auto make_communicator = [&](int generation) {
    return accelerator->make_communicator(
        {options.rendezvous, options.rank, job.world_size(), kLongestWait, generation});
  };
  const auto parallelism = load_parallelism(job.parallelism, job.library);
  const auto data = open_prefetched_data(job.task);
  const Mesh mesh{nullptr,         options.rank,        job.world_size(),
                  job.device_kind, device.memory_bytes, accelerator->device()};
  RankContext context{job, *parallelism, *accelerator, mesh, events, STDIN_FILENO};
  if (job.mode == Job::Mode::kTrial) return run_trial(context, *data, make_communicator);
  const auto communicator = make_communicator(0);
  context.mesh.communicator = communicator.get();
  run_training(context, *data);
}

}  // namespace

int run_worker(const WorkerOptions& options) {
  die_with_supervisor();
  catch_stop_signals();
  explain_bus_errors();
  const EventWriter events(options.rank == 0 ? claim_standard_output() : -1);
  if (options.rank != 0) ::dup2(STDERR_FILENO, STDOUT_FILENO);
  std::optional<Job> job;
  try {
    job = read_checked_job(options);
    run_rank(options, *job, events);
    return 0;
  } catch (const std::exception& error) {
    const Failed failed = failure_of(error, job ? &job->task : nullptr);
    fmt::print(stderr, "rank {}: {}\n", options.rank, failed.message);
    events.write(failed);
    return 1;
  }
}

}  // namespace saturn
