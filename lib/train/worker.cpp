// SPDX-License-Identifier: Apache-2.0
#include "train/worker.h"

#include <ATen/Version.h>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
#include <poll.h>
#include <signal.h>
#include <string_view>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/gang_address.h"
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

Job read_checked_job(const WorkerOptions& options, const std::filesystem::path& file) {
  Job job = read_job(file);
  settle(job.devices, job.device_kind, this_machine().cores, std::getenv("CUDA_VISIBLE_DEVICES"));
  if (options.rank < 0 || options.rank >= job.world_size()) {
    throw InputError(fmt::format("--rank {}: the job has {} ranks", options.rank, job.world_size()));
  }
  return job;
}

/// Until the devices are the gang's. It has nothing to save before that: a stop, or the supervisor's end,
/// ends the process.
void wait_at(int gate) {
  pollfd polled{gate, POLLIN, 0};
  while (!stop_requested()) {
    if (::poll(&polled, 1, 1000) <= 0) continue;
    char byte = 0;
    const ssize_t n = ::read(gate, &byte, 1);
    if (n == 1) return (void)::close(gate);
    if (n == 0 || errno != EINTR) break;
  }
  std::_Exit(0);
}

/// "PyTorch 2.11.0", of the library that was loaded.
std::string torch_version() {
  constexpr std::string_view kName = "TORCH_VERSION=";
  const std::string build = at::show_config();
  const std::size_t found = build.find(kName);
  if (found == std::string::npos) return "PyTorch";
  const std::size_t begin = found + kName.size();
  return "PyTorch " + build.substr(begin, build.find_first_of(", \n", begin) - begin);
}

/// How this rank meets those of other nodes; none: all are on this one. What it says is for nobody else: what
/// this process starts does not get to know it.
std::optional<GangHosts> find_hosts(const WorkerOptions& options, const Job& job) {
  const char* text = std::getenv(kGangAddressVariable);
  const std::string where = text == nullptr ? "" : text;
  const auto address = parse_gang_address(where);
  ::unsetenv(kGangAddressVariable);
  if (options.listener >= 0) ::fcntl(options.listener, F_SETFD, FD_CLOEXEC);
  if (!job.spans_nodes() || where == kAllHere) return {};
  if (!address || (options.rank == 0 && options.listener < 0)) {
    throw SystemError("meet", "the ranks of other nodes", "nothing says where",
                      fmt::format("start the gang with saturn, which sets {}", kGangAddressVariable));
  }
  GangHosts hosts;
  for (const NodeShare& share : job.nodes) hosts.ranks.push_back(share.ranks);
  hosts.address = *address;
  hosts.listener = options.rank == 0 ? options.listener : -1;
  hosts.software = torch_version();
  return hosts;
}

void run_rank(const WorkerOptions& options, std::optional<Job>& read, const EventWriter& events) {
  const bool ahead = !options.ahead.empty();
  read = read_checked_job(options, ahead ? options.ahead : options.job);
  const Device device = read->devices[static_cast<std::size_t>(options.rank)];
  pin_to_cores(device.cores);
  const auto take_device = open_accelerator(read->device_kind, device);
  const auto parallelism = load_parallelism(read->parallelism, read->library);
  const auto data = open_prefetched_data(read->task);
  double began = steady_seconds() - process_age_seconds();
  if (ahead) {
    wait_at(options.gate);
    read = read_checked_job(options, options.job);
    began = steady_seconds();
  }
  const Job& job = *read;
  const auto hosts = find_hosts(options, job);
  const auto accelerator = take_device();
  accelerator->set_memory_budget(device.memory_bytes);
  const auto make_communicator = [&](int generation) {
    return accelerator->make_communicator(
        {options.rendezvous, options.rank, job.world_size(), kLongestWait, generation, hosts});
  };
  const Mesh mesh{nullptr,         options.rank,        job.world_size(),
                  job.device_kind, device.memory_bytes, accelerator->device()};
  RankContext context{job, *parallelism, *accelerator, mesh, events, STDIN_FILENO, began};
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
    run_rank(options, job, events);
    return 0;
  } catch (const std::exception& error) {
    const Failed failed = failure_of(error, job ? &job->task : nullptr);
    fmt::print(stderr, "rank {}: {}\n", options.rank, failed.message);
    events.write(failed);
    return 1;
  }
}

}  // namespace saturn
