// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "train/model.h"

namespace saturn {

/// A residual network of bottleneck blocks (He et al., arXiv 1512.03385; the stride stands in the 3x3
/// convolution, as in torchvision) as one block for the stem, one for each bottleneck and one for the head:
/// [batch, channels, image, image] -> [batch, classes]. Names and shapes are those of torchvision's and
/// timm's ResNet.
///
/// Batch norm: in Pass::kTrain by the statistics of the rows that go through together, whose running averages
/// (momentum 0.1) are buffers; in Pass::kEvaluate by these. A batch that is divided (data parallelism,
/// micro-batches) is therefore normalized part by part, which is not what one device does with the whole.
std::vector<std::unique_ptr<Block>> make_resnet_blocks(const ResnetModel& model);

}  // namespace saturn
