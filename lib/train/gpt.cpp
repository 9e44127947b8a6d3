// SPDX-License-Identifier: Apache-2.0
#include "train/gpt.h"

#include <ATen/ops/add.h>
#include <ATen/ops/embedding.h>
#include <cmath>
#include <fmt/format.h>

#include "train/attention.h"
#include "train/linear.h"
#include "train/parameters.h"

namespace saturn {
namespace {

constexpr double kDeviation = 0.02;  // GPT-2's
constexpr double kGptEpsilon = 1e-5;

std::vector<Parameter> projection(const std::string& name, std::int64_t in, std::int64_t out,
                                  double deviation = kDeviation) {
  return linear_parameters(name, in, out, deviation, Layout::kInOut);
}

Parameter token_embedding(const GptModel& model) {
  return {"transformer.wte.weight", {model.vocabulary, model.width}, Start::normal(kDeviation), true, {}};
}

std::vector<Parameter> embedding_parameters(const GptModel& model) {
  return {token_embedding(model),
          {"transformer.wpe.weight", {model.context, model.width}, Start::normal(kDeviation), true, {}}};
}

std::vector<Parameter> layer_parameters(const GptModel& model, std::int64_t layer) {
  const std::string name = fmt::format("transformer.h.{}", layer);
  const std::int64_t width = model.width;
  // Two additions to the residual stream a layer: their variances add up to one projection's.
  const double residual = kDeviation / std::sqrt(2.0 * static_cast<double>(model.layers));
  return joined({norm_parameters(name + ".ln_1", width), projection(name + ".attn.c_attn", width, 3 * width),
                 projection(name + ".attn.c_proj", width, width, residual),
                 norm_parameters(name + ".ln_2", width), projection(name + ".mlp.c_fc", width, 4 * width),
                 projection(name + ".mlp.c_proj", 4 * width, width, residual)});
}

std::vector<Parameter> head_parameters(const GptModel& model) {
  return joined({norm_parameters("transformer.ln_f", model.width), {token_embedding(model)}});
}

class GptEmbedding final : public Block {
 public:
  using Block::Block;
  at::Tensor forward(const at::Tensor& tokens, Pass) override {
    return at::add(at::embedding(at(0), tokens), at(1).narrow(0, 0, tokens.size(1)));
  }
};

class GptLayer final : public Block {
 public:
  GptLayer(std::vector<Parameter> parameters, std::int64_t heads)
      : Block(std::move(parameters)), heads_(heads) {}

  at::Tensor forward(const at::Tensor& input, Pass) override {
    const at::Tensor qkv = linear(normalized(input, at(0), at(1), kGptEpsilon), at(2), at(3));
    const at::Tensor mixed = self_attention(qkv, heads_, Sight::kBackward);
    const at::Tensor x = at::add(input, linear(mixed, at(4), at(5)));
    return at::add(x, perceptron(normalized(x, at(6), at(7), kGptEpsilon), {at(8), at(9), at(10), at(11)}));
  }

 private:
  std::int64_t heads_;
};

class GptHead final : public Block {
 public:
  using Block::Block;
  at::Tensor forward(const at::Tensor& x, Pass) override {
    return linear_transposed(normalized(x, at(0), at(1), kGptEpsilon), at(2));
  }
};

}  // namespace

std::vector<std::unique_ptr<Block>> make_gpt_blocks(const GptModel& model) {
  std::vector<std::unique_ptr<Block>> blocks;
  blocks.push_back(std::make_unique<GptEmbedding>(embedding_parameters(model)));
  for (std::int64_t layer = 0; layer < model.layers; ++layer)
    blocks.push_back(std::make_unique<GptLayer>(layer_parameters(model, layer), model.heads));
  blocks.push_back(std::make_unique<GptHead>(head_parameters(model)));
  return blocks;
}

}  // namespace saturn
