// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "train/keep.h"
#include "train/model.h"

namespace saturn {

/// A model's chain run one block at a time, each with an autograd graph of its own. Whoever runs it stands
/// between the blocks: he can bring a block's weights before it runs and send them away after it, keep its
/// activations or make them again, and take its gradients as soon as they are there. The mathematics is that
/// of one graph.

/// A block's forward pass, waiting for its backward pass.
struct BlockRun {
  at::Tensor input;    ///< a leaf; requires grad when it is no whole number
  at::Tensor output;   ///< with its graph, or, where activations are not kept, without
  at::Tensor targets;  ///< of the loss, if it belongs to this run
  double share = 1;    ///< what the loss is multiplied by

  /// The output for the next block; a run that keeps no activations lets go of it.
  at::Tensor pass_on();
};

BlockRun run_forward(Block& block, const at::Tensor& input, Keep keep = Keep::kEverything);

/// The last block and the loss: `output` is cross_entropy x `share`, a scalar.
BlockRun run_loss(Block& block, const at::Tensor& input, const at::Tensor& targets, double share,
                  Keep keep = Keep::kEverything);

/// The backward pass: gradients add to those of the block's parameters. `gradient` is of the output,
/// undefined for the loss. Returns the gradient of the input, undefined for whole numbers. Frees the run.
[[nodiscard]] at::Tensor run_backward(Block& block, BlockRun run, const at::Tensor& gradient);

}  // namespace saturn
