// SPDX-License-Identifier: Apache-2.0
// A language model as a chain of blocks: an embedding, `depth` layers that see the averages of all positions
// up to their own, and a head tied to the embedding.
#include <ATen/ops/add.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/div.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/layer_norm.h>

#include "train/linear.h"
#include "train/model_plugin.h"
#include "train/parameters.h"

namespace {

using namespace saturn;

struct Embedding final : Block {
  using Block::Block;
  at::Tensor forward(const at::Tensor& tokens, Pass) override { return at::embedding(at(0), tokens); }
};

/// x + MLP(norm(mean of x up to here)): [rows, context, width] to the same.
struct Layer final : Block {
  Layer(const std::string& name, std::int64_t width)
      : Block(joined({norm_parameters(name + ".norm", width),
                      linear_parameters(name + ".up", width, 4 * width, 0.02, Layout::kInOut),
                      linear_parameters(name + ".down", 4 * width, width, 0.02, Layout::kInOut)})) {}
  at::Tensor forward(const at::Tensor& x, Pass) override {
    const at::Tensor counts = at::arange(1, x.size(1) + 1, x.options()).unsqueeze(1);
    const at::Tensor mixed = at::add(x, at::div(at::cumsum(x, 1), counts));
    const at::Tensor normal = at::layer_norm(mixed, {x.size(2)}, at(0), at(1));
    return at::add(x, perceptron(normal, {at(2), at(3), at(4), at(5)}));
  }
};

/// Logits [rows, context, vocabulary].
struct Head final : Block {
  using Block::Block;
  at::Tensor forward(const at::Tensor& x, Pass) override { return linear_transposed(x, at(0)); }
};

ModelBlocks make_model(const ModelRequest& request) {
  const std::int64_t width = request.integer("width", 64);
  const Parameter embedding{"embedding.weight", {request.vocabulary, width}, Start::normal(0.1), true, {}};
  ModelBlocks blocks;
  blocks.push_back(std::make_unique<Embedding>(std::vector{embedding}));
  for (std::int64_t i = 0; i < request.integer("depth", 2); ++i)
    blocks.push_back(std::make_unique<Layer>("layers." + std::to_string(i), width));
  blocks.push_back(std::make_unique<Head>(std::vector{embedding}));  // the same name: the same tensor
  return blocks;
}

}  // namespace

SATURN_MODEL(make_model)
