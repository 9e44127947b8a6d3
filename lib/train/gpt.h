// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "train/model.h"

namespace saturn {

/// GPT-2 (Radford et al. 2019) as layers + 2 blocks: embedding, transformer blocks, head. Pre-norm, fused
/// query-key-value projection, causal attention, tanh-gelu, head tied to the embedding. There is no dropout.
/// Names and shapes are those of Hugging Face's GPT2LMHeadModel ("transformer." ...; linear weights are
/// [in, out]).
std::vector<std::unique_ptr<Block>> make_gpt_blocks(const GptModel& model);

}  // namespace saturn
