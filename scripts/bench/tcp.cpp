// SPDX-License-Identifier: Apache-2.0
// All-reduce between two hosts: bench_tcp HOST RANKS FILE MEGABYTES, once for host 0 and once for host 1, of
// RANKS ranks each; FILE tells host 1 where host 0 listens. Rank 0 prints "ready" and then, for every number
// of seconds read from standard input, "WALL CPU": median milliseconds of an all-reduce, and of its process's
// time in it.
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <iostream>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "base/socket.h"
#include "clocks.h"
#include "train/gang_hosts.h"

namespace {

using saturn::Dtype;
using saturn::bench::median;
using saturn::bench::now;

constexpr saturn::Seconds kLongest{120};

/// Median milliseconds, by the clock and of this process.
std::string reduce_for(saturn::Communicator& communicator, std::vector<float>& data, double seconds) {
  std::vector<double> wall, cpu;
  const double start = now(CLOCK_MONOTONIC);
  for (std::int64_t over = 0; over == 0;) {
    communicator.barrier();
    const double wall_before = now(CLOCK_MONOTONIC), cpu_before = now(CLOCK_PROCESS_CPUTIME_ID);
    communicator.all_reduce({data.data(), data.size(), Dtype::kFloat32}, saturn::Reduction::kSum);
    wall.push_back(now(CLOCK_MONOTONIC) - wall_before);
    cpu.push_back(now(CLOCK_PROCESS_CPUTIME_ID) - cpu_before);
    over = now(CLOCK_MONOTONIC) - start > seconds ? 1 : 0;
    communicator.broadcast({&over, 1, Dtype::kInt64}, 0);
  }
  return fmt::format("{} {}", median(wall) * 1e3, median(cpu) * 1e3);
}

void say(int rank, const std::string& line) {
  if (rank != 0) return;
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

void run_rank(const std::string& rendezvous, int rank, const saturn::GangHosts& hosts, double megabytes) {
  const auto communicator = saturn::make_hosts_communicator(rendezvous, rank, hosts, kLongest);
  std::vector<float> data(static_cast<std::size_t>(megabytes * 1e6) / sizeof(float), 0.0f);
  (void)reduce_for(*communicator, data, 0);  // first touches
  say(rank, "ready");
  for (double seconds = 0; seconds >= 0;) {
    if (rank == 0 && !(std::cin >> seconds)) seconds = -1;
    communicator->broadcast({&seconds, 1, Dtype::kFloat64}, 0);
    if (seconds >= 0) say(rank, reduce_for(*communicator, data, seconds));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const int host = std::atoi(argv[1]), ranks = std::atoi(argv[2]);
  saturn::GangHosts hosts;
  hosts.ranks = {ranks, ranks};
  saturn::FileDescriptor listener;
  if (host == 0) {
    listener = saturn::listen_at_any_port();
    hosts.address = saturn::make_gang_address(listener.get());
    saturn::write_file_atomically(argv[3], to_text(hosts.address));
  } else {
    for (int i = 0; i < 3000 && !std::filesystem::exists(argv[3]); ++i) ::usleep(10000);
    hosts.address = saturn::parse_gang_address(saturn::read_file(argv[3])).value();
  }
  const std::string rendezvous = fmt::format("/proc/self/fd/{}", ::memfd_create("rendezvous", 0));
  int local = 0;
  while (local + 1 < ranks && ::fork() == 0) ++local;  // each starts the next
  const int rank = host * ranks + local;
  hosts.listener = rank == 0 ? listener.get() : -1;
  run_rank(rendezvous, rank, hosts, std::atof(argv[4]));
  ::wait(nullptr);
}
