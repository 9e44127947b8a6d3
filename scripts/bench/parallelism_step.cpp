// SPDX-License-Identifier: Apache-2.0
// Step time of a GPT-2 under a parallelism on one or two slots, one core each: our side of parallelisms.sh,
// with the protocol of parallelism_step.py.
#include <ATen/Parallel.h>
#include <ATen/ops/randint.h>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clocks.h"
#include "train/communicator.h"
#include "train/memory_budget.h"
#include "train/pinning.h"
#include "train/plugin.h"

namespace {

using saturn::Batch;
using saturn::GlobalBatch;
using saturn::bench::Stopwatch;

saturn::TaskSpec task_of(char** sizes) {
  saturn::TaskSpec task;
  task.name = "bench";
  task.model.gpt = {std::atoll(sizes[0]), std::atoll(sizes[4]), std::atoll(sizes[1]), std::atoll(sizes[2]),
                    256};
  task.batch_size = std::atoll(sizes[3]);
  task.seed = 1;
  return task;
}

/// "checkpoint=off,prefetch=1"; "-" = none.
saturn::Knobs knobs_of(const std::string& text) {
  saturn::Knobs knobs;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) {
    const std::size_t equals = part.find('=');
    if (equals != std::string::npos) knobs[part.substr(0, equals)] = part.substr(equals + 1);
  }
  return knobs;
}

class Bench {
 public:
  Bench(const saturn::Parallelism& parallelism, const saturn::TaskSpec& task, const saturn::Knobs& knobs,
        const saturn::Mesh& mesh)
      : task_(task), tokens_(at::randint(256, {64, task.batch_size, task.model.gpt.context + 1}, at::kLong)) {
    trainer_ = parallelism.prepare(task, knobs, mesh);
  }

  Stopwatch measure(std::int64_t steps) {
    Stopwatch watch;
    for (std::int64_t number = 0; number < steps; ++number) {
      const at::Tensor rows = tokens_[number % 64];
      const GlobalBatch batch(task_.batch_size, [&rows](std::int64_t begin, std::int64_t end) {
        const at::Tensor mine = rows.slice(0, begin, end);
        return Batch{mine.slice(1, 0, -1), mine.slice(1, 1)};
      });
      watch.time([&] { trainer_->step(batch, 1e-3); });
    }
    return watch;
  }

 private:
  saturn::TaskSpec task_;
  at::Tensor tokens_;
  std::unique_ptr<saturn::Trainer> trainer_;
};

/// Rank 0 reads how long, and tells the other how many steps that is. 0 steps: the end.
std::int64_t ask_for_steps(saturn::Communicator& communicator, double step_seconds) {
  std::int64_t steps = 0;
  if (std::string line; communicator.rank() == 0 && std::getline(std::cin, line)) {
    steps = std::max(3L, std::lround(std::atof(line.c_str()) / step_seconds));
  }
  communicator.broadcast({&steps, 1, saturn::Dtype::kInt64}, 0);
  return steps;
}

void serve(Bench& bench, saturn::Communicator& communicator) {
  bench.measure(5);
  const double step_seconds = bench.measure(5).median_wall();
  if (communicator.rank() == 0) std::cout << "ready" << std::endl;
  while (const std::int64_t steps = ask_for_steps(communicator, step_seconds)) {
    const Stopwatch watch = bench.measure(steps);
    if (communicator.rank() == 0) std::cout << watch.report() << std::endl;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 9) {
    std::cerr << "usage: bench_parallelism_step LIBRARY KNOBS SLOTS LAYERS WIDTH CONTEXT BATCH HEADS\n";
    return 2;
  }
  const int slots = std::atoi(argv[3]);
  const int file = ::memfd_create("rendezvous", 0);
  const pid_t child = slots > 1 ? ::fork() : -1;
  const int rank = child == 0 ? 1 : 0;
  saturn::pin_to_cores({rank});
  at::set_num_threads(1);
  saturn::set_memory_budget(0);  // the allocator of a worker
  const auto communicator =
      slots == 1 ? saturn::make_single_communicator()
                 : saturn::make_shared_memory_communicator(fmt::format("/proc/self/fd/{}", file), rank, slots,
                                                           saturn::Seconds(600));
  const auto parallelism = saturn::load_parallelism("measured", argv[1]);
  {
    Bench bench(*parallelism, task_of(argv + 4), knobs_of(argv[2]), {communicator.get(), rank, slots});
    serve(bench, *communicator);
  }
  if (child == 0) ::_exit(0);
  if (child > 0) ::waitpid(child, nullptr, 0);
}
