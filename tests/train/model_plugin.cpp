// SPDX-License-Identifier: Apache-2.0
// A model of one's own: `depth` linear layers over embedded tokens. Option `mistake` makes one.
#include "train/model_plugin.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/matmul.h>
#include <stdexcept>

namespace {

using namespace saturn;

class Embedding final : public Block {
 public:
  using Block::Block;
  at::Tensor forward(const at::Tensor& tokens, Pass) override { return at::embedding(at(0), tokens); }
};

class Linear final : public Block {
 public:
  Linear(std::vector<Parameter> parameters, bool fails) : Block(std::move(parameters)), fails_(fails) {}
  at::Tensor forward(const at::Tensor& x, Pass) override {
    if (fails_) throw std::runtime_error("a mistake in forward");
    return at::matmul(x, at(0));
  }

 private:
  bool fails_;
};

Parameter matrix(const std::string& name, std::int64_t rows, std::int64_t columns) {
  return {name, {rows, columns}, Start::normal(0.1), true, {}};
}

ModelBlocks make_model(const ModelRequest& request) {
  const std::string mistake = request.text("mistake", "");
  if (mistake == "throws") throw std::runtime_error("a mistake in the factory");
  if (mistake == "throws-number") throw 7;
  ModelBlocks blocks;
  if (mistake == "empty") return blocks;
  const std::int64_t width = request.integer("width", 8);
  blocks.push_back(
      std::make_unique<Embedding>(std::vector<Parameter>{matrix("embedding", request.vocabulary, width)}));
  for (std::int64_t i = 0; i < request.integer("depth", 1); ++i)
    blocks.push_back(std::make_unique<Linear>(
        std::vector<Parameter>{matrix("layer." + std::to_string(i), width, width)}, mistake == "forward"));
  const std::string head = mistake == "shapes" ? "embedding" : "head";
  blocks.push_back(
      std::make_unique<Linear>(std::vector<Parameter>{matrix(head, width, request.vocabulary)}, false));
  return blocks;
}

}  // namespace

SATURN_MODEL(make_model)
