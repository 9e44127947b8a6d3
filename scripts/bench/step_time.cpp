// SPDX-License-Identifier: Apache-2.0
// Step time of Saturn's GPT-2, one thread, in one process: our side of step_time.sh, with the protocol of
// step_time.py.
#include <ATen/Parallel.h>
#include <ATen/ops/randint.h>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fmt/format.h>
#include <iostream>
#include <string>
#include <vector>

#include "train/model.h"
#include "train/optimizer.h"

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Bench {
 public:
  Bench(const saturn::ModelSpec& spec, std::int64_t batch)
      : model_(saturn::build_model(spec, 1)),
        optimizer_(model_.parameters(), saturn::OptimizerSpec{}),
        tokens_(at::randint(256, {64, batch, spec.gpt.context + 1}, at::kLong)) {}

  double step(std::int64_t number) {
    const at::Tensor rows = tokens_[number % 64];
    const at::Tensor loss = saturn::cross_entropy(model_.forward(rows.slice(1, 0, -1)), rows.slice(1, 1));
    optimizer_.clear_gradients();
    loss.backward();
    optimizer_.step(1e-3);
    return loss.item<double>();
  }

  /// Median in milliseconds over `seconds` of steps.
  double median_step(double seconds) {
    std::vector<double> times;
    for (const auto begin = Clock::now(); times.size() < 3 || seconds_since(begin) < seconds;) {
      const auto start = Clock::now();
      step(static_cast<std::int64_t>(times.size()));
      times.push_back(seconds_since(start));
    }
    std::nth_element(times.begin(), times.begin() + static_cast<long>(times.size() / 2), times.end());
    return 1000 * times[times.size() / 2];
  }

 private:
  saturn::Model model_;
  saturn::AdamW optimizer_;
  at::Tensor tokens_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::cerr << "usage: bench_step LAYERS WIDTH CONTEXT BATCH HEADS\n";
    return 2;
  }
  at::set_num_threads(1);
  saturn::ModelSpec spec;
  spec.gpt = {std::atoll(argv[1]), std::atoll(argv[5]), std::atoll(argv[2]), std::atoll(argv[3]), 256};
  Bench bench(spec, std::atoll(argv[4]));
  for (std::int64_t number = 0; number < 5; ++number) bench.step(number);
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);)
    std::cout << fmt::format("{:.3f}", bench.median_step(std::atof(line.c_str()))) << std::endl;
}
