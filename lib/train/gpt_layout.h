// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "workload/task.h"

namespace saturn {

/// One parameter of a GPT-2: name and shape as in Hugging Face's GPT2LMHeadModel ("transformer." ...; linear
/// weights are [in, out]), and how it starts.
struct GptParameter {
  enum class Start { kZeros, kOnes, kNormal };

  std::string name;
  std::vector<std::int64_t> shape;
  Start start = Start::kNormal;
  double deviation = 0;  ///< of kNormal
};

/// The parameters of the embedding block: wte, wpe.
std::vector<GptParameter> gpt_embedding_parameters(const GptModel& model);
/// Those of transformer block number `layer`.
std::vector<GptParameter> gpt_layer_parameters(const GptModel& model, std::int64_t layer);
/// Those of the head block that are its own (ln_f); its matrix is the embedding's wte.
std::vector<GptParameter> gpt_head_parameters(const GptModel& model);

/// Elements in all of them.
std::int64_t gpt_parameter_count(const GptModel& model);

}  // namespace saturn
