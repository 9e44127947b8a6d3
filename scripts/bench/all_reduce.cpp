// SPDX-License-Identifier: Apache-2.0
// All-reduce between two processes against memcpy: bench_all_reduce [MEGABYTES] [REPETITIONS].
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <functional>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "clocks.h"
#include "train/communicator.h"

namespace {

using saturn::Communicator;
using saturn::bench::median;

double seconds_of(const std::function<void()>& body) {
  const double start = saturn::bench::now(CLOCK_MONOTONIC);
  body();
  return saturn::bench::now(CLOCK_MONOTONIC) - start;
}

void pin_to(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  ::sched_setaffinity(0, sizeof set, &set);  // without it the figures only scatter more
}

/// Alternately: rank 0 copies while rank 1 waits at the barrier, then both reduce.
void measure(Communicator& communicator, std::size_t bytes, int repetitions) {
  std::vector<float> data(bytes / sizeof(float), 1.0f), copy(data.size());
  std::vector<double> copies, reductions;
  for (int i = -2; i < repetitions; ++i) {
    double copied = 0;
    if (communicator.rank() == 0) {
      copied = seconds_of([&] { std::memcpy(copy.data(), data.data(), bytes); });
    }
    communicator.barrier();
    const double reduced = seconds_of([&] {
      communicator.all_reduce({data.data(), data.size(), saturn::Dtype::kFloat32}, saturn::Reduction::kSum);
    });
    if (i < 0) continue;  // first touches
    copies.push_back(copied);
    reductions.push_back(reduced);
  }
  if (communicator.rank() != 0) return;
  const double size = static_cast<double>(bytes);
  fmt::print("{:8.2f} MB  memcpy {:6.2f} GB/s  all_reduce of 2 ranks {:6.2f} GB/s  ratio {:.2f}\n",
             size / 1e6, size / median(copies) / 1e9, size / median(reductions) / 1e9,
             median(copies) / median(reductions));
}

}  // namespace

int main(int argc, char** argv) {
  const double megabytes = argc > 1 ? std::atof(argv[1]) : 64;
  const int repetitions = argc > 2 ? std::atoi(argv[2]) : 21;
  const int file = ::memfd_create("rendezvous", 0);
  const pid_t child = ::fork();
  const int rank = child == 0 ? 1 : 0;
  pin_to(rank);
  const auto communicator = saturn::make_shared_memory_communicator(fmt::format("/proc/self/fd/{}", file),
                                                                    rank, 2, saturn::Seconds(60));
  measure(*communicator, static_cast<std::size_t>(megabytes * 1e6) / 4 * 4, repetitions);
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
}
