// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "train/model.h"

namespace saturn {

/// A vision transformer (Dosovitskiy et al., arXiv 2010.11929) as layers + 2 blocks: patches, transformer
/// blocks, head: [batch, channels, image, image] -> [batch, classes]. Pre-norm, fused query-key-value
/// projection, gelu by its tanh formula (as the authors' code has it), no dropout. The head reads the class
/// token, or the mean of the patches (then there is no class token). Names and shapes are those of timm's
/// VisionTransformer (linear weights are [out, in]).
std::vector<std::unique_ptr<Block>> make_vit_blocks(const VitModel& model);

}  // namespace saturn
