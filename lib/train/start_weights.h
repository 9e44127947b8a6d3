// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "train/checkpoint.h"
#include "train/model.h"

namespace saturn {

/// The weights that a task starts from (model.start_from): a safetensors file, all those in a folder, or a
/// checkpoint's folder, read as a checkpoint without optimizer state. Names are those of the model; besides,
/// these are understood:
///   - "NAME" for the model's "transformer.NAME": files of Hugging Face's GPT2Model and GPTJModel;
///   - "*.attn.bias", "*.attn.masked_bias" and "*.attn.embed_positions", masks and tables that some of their
///     versions keep, "lm_head.weight" of a model whose head is tied, and "*.num_batches_tracked" of
///     torchvision's batch norms are passed over, where the model has no such tensor;
///   - "optimizer.*" of Saturn's own checkpoints, too.
/// Whether the rest fits is for the trainer's load to say. Errors: CheckpointError, SystemError.
std::unique_ptr<CheckpointReader> open_start_weights(const ModelSpec& spec);

}  // namespace saturn
