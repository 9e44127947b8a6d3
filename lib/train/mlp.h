// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "train/model.h"

namespace saturn {

/// A perceptron as layers + 1 blocks: each a linear layer, with ReLU behind all but the last. Inputs of any
/// shape are flattened: [batch, ...] -> [batch, classes]. Names: "layers.0.weight" [out, in],
/// "layers.0.bias", ... Weights begin as He et al. (arXiv 1502.01852) say.
std::vector<std::unique_ptr<Block>> make_mlp_blocks(const MlpModel& model);

}  // namespace saturn
