// SPDX-License-Identifier: Apache-2.0
// Step time of Saturn's GPT-2, one thread, in one process: our side of step_time.sh, with the protocol of
// step_time.py.
#include <ATen/Parallel.h>
#include <ATen/ops/randint.h>
#include <cstdlib>
#include <iostream>
#include <string>

#include "clocks.h"
#include "train/memory_budget.h"
#include "train/model.h"
#include "train/optimizer.h"

namespace {

class Bench {
 public:
  Bench(const saturn::ModelSpec& spec, std::int64_t batch)
      : model_(saturn::build_model(spec, 1)),
        parameters_(model_.parameters()),
        optimizer_(slices(), saturn::OptimizerSpec{}),
        tokens_(at::randint(256, {64, batch, spec.gpt.context + 1}, at::kLong)) {}

  double step(std::int64_t number) {
    const at::Tensor rows = tokens_[number % 64];
    const at::Tensor loss = saturn::cross_entropy(model_.forward(rows.slice(1, 0, -1)), rows.slice(1, 1));
    std::vector<at::Tensor> gradients;
    for (const saturn::Parameter& parameter : parameters_) parameter.tensor.mutable_grad().reset();
    loss.backward();
    for (const saturn::Parameter& parameter : parameters_) gradients.push_back(parameter.tensor.grad());
    optimizer_.step(gradients, 1e-3);
    return loss.item<double>();
  }

  /// Steps for so long, three at least.
  std::string measure(double seconds) {
    saturn::bench::Stopwatch watch;
    for (const double end = saturn::bench::now(CLOCK_MONOTONIC) + seconds;
         watch.count() < 3 || saturn::bench::now(CLOCK_MONOTONIC) < end;) {
      watch.time([&] { step(static_cast<std::int64_t>(watch.count())); });
    }
    return watch.report();
  }

 private:
  std::vector<saturn::Slice> slices() const {
    std::vector<saturn::Slice> slices;
    for (const saturn::Parameter& parameter : parameters_)
      slices.push_back(saturn::whole_slice(parameter, parameter.tensor));
    return slices;
  }

  saturn::Model model_;
  std::vector<saturn::Parameter> parameters_;
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
  saturn::set_memory_budget(0);  // the allocator of a worker
  saturn::ModelSpec spec;
  spec.gpt = {std::atoll(argv[1]), std::atoll(argv[5]), std::atoll(argv[2]), std::atoll(argv[3]), 256};
  Bench bench(spec, std::atoll(argv[4]));
  for (std::int64_t number = 0; number < 5; ++number) bench.step(number);
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);)
    std::cout << bench.measure(std::atof(line.c_str())) << std::endl;
}
