// SPDX-License-Identifier: Apache-2.0
#include "train/chain.h"

#include <ATen/ops/mul.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

namespace saturn {
namespace {

/// The same memory as the start of a graph of its own.
at::Tensor leaf_of(const at::Tensor& activation) {
  at::Tensor leaf = activation.detach();
  if (at::isFloatingType(leaf.scalar_type())) leaf.set_requires_grad(true);
  return leaf;
}

at::Tensor output_of(Block& block, const BlockRun& run, Pass pass) {
  const at::Tensor output = block.forward(run.input, pass);
  if (!run.targets.defined()) return output;
  const at::Tensor loss = cross_entropy(output, run.targets);
  return run.share == 1 ? loss : at::mul(loss, run.share);
}

BlockRun begin(Block& block, BlockRun run, Keep keep) {
  const at::AutoGradMode with_graph(keep == Keep::kEverything);
  run.input = leaf_of(run.input);
  run.output = output_of(block, run, Pass::kTrain);
  return run;
}

}  // namespace

at::Tensor BlockRun::pass_on() {
  at::Tensor passed = output.detach();
  if (!output.requires_grad()) output.reset();
  return passed;
}

BlockRun run_forward(Block& block, const at::Tensor& input, Keep keep) {
  return begin(block, {input, {}, {}, 1}, keep);
}

BlockRun run_loss(Block& block, const at::Tensor& input, const at::Tensor& targets, double share, Keep keep) {
  return begin(block, {input, {}, targets, share}, keep);
}

at::Tensor run_backward(Block& block, BlockRun run, const at::Tensor& gradient) {
  if (!run.output.defined() || !run.output.requires_grad()) {
    const at::AutoGradMode with_graph(true);
    run.output = output_of(block, run, Pass::kRecompute);
  }
  torch::autograd::backward({run.output}, {gradient});
  return run.input.grad();
}

}  // namespace saturn
