// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "train/model.h"

namespace saturn {

/// GPT-J (Wang and Komatsuzaki 2021) as layers + 2 blocks: embedding, transformer blocks, head. Attention and
/// perceptron read the same layer norm and add up; queries and keys are turned by their position in pairs of
/// neighbouring numbers (rotary embedding: Su et al., arXiv 2104.09864); projections of attention have no
/// bias, the head has one and is not tied. There is no dropout. Names and shapes are those of Hugging Face's
/// GPTJForCausalLM (linear weights are [out, in]).
std::vector<std::unique_ptr<Block>> make_gptj_blocks(const GptjModel& model);

}  // namespace saturn
