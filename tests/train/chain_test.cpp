// SPDX-License-Identifier: Apache-2.0
#include "train/chain.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <doctest/doctest.h>

namespace saturn::chain_test {

namespace {

const ModelSpec kSpec{"gpt", {2, 2, 8, 6, 11}};

struct Sample {
  at::Tensor inputs = at::arange(18, at::kLong).mul(7).remainder(11).view({3, 6});
  at::Tensor targets = at::arange(18, at::kLong).mul(5).remainder(11).view({3, 6});
};

Model in_double() {
  Model model = build_model(kSpec);
  materialize(model.blocks, 3, at::TensorOptions().dtype(at::kDouble));
  return model;
}

/// Loss and gradients of the chain run block by block.
double train(Model& model, const Sample& sample, Keep keep, double share) {
  std::vector<BlockRun> runs;
  at::Tensor activation = sample.inputs;
  const std::size_t last = model.blocks.size() - 1;
  for (std::size_t i = 0; i < last; ++i) {
    runs.push_back(run_forward(*model.blocks[i], activation, keep));
    activation = runs.back().pass_on();
  }
  runs.push_back(run_loss(*model.blocks[last], activation, sample.targets, share, keep));
  const double loss = runs.back().output.item<double>();
  at::Tensor gradient;
  for (std::size_t i = last + 1; i-- > 0;)
    gradient = run_backward(*model.blocks[i], std::move(runs[i]), gradient);
  CHECK_FALSE(gradient.defined());  // of tokens
  return loss;
}

}  // namespace

TEST_CASE("a chain run block by block has the loss and the gradients of one graph") {
  const Sample sample;
  const Model whole = in_double();
  const at::Tensor loss = cross_entropy(whole.forward(sample.inputs), sample.targets);
  loss.backward();
  for (const Keep keep : {Keep::kEverything, Keep::kInput}) {
    Model model = in_double();
    CHECK(train(model, sample, keep, 0.5) == doctest::Approx(loss.item<double>() / 2).epsilon(1e-14));
    const std::vector<Parameter> parameters = model.parameters(), expected = whole.parameters();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      CAPTURE(parameters[i].name);
      CHECK(at::allclose(parameters[i].tensor.grad().mul(2), expected[i].tensor.grad(), 1e-12, 1e-14));
    }
  }
}

TEST_CASE("a run that keeps its input alone lets go of its output") {
  Model model = in_double();
  BlockRun kept = run_forward(*model.blocks[0], Sample().inputs, Keep::kEverything);
  (void)kept.pass_on();
  CHECK(kept.output.defined());
  BlockRun run = run_forward(*model.blocks[0], Sample().inputs, Keep::kInput);
  CHECK(at::equal(run.pass_on(), kept.output));
  CHECK_FALSE(run.output.defined());
}

}  // namespace saturn::chain_test
