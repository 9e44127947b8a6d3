// SPDX-License-Identifier: Apache-2.0
#include "train/vit.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/add.h>
#include <ATen/ops/cat.h>
#include <fmt/format.h>

#include "train/attention.h"
#include "train/linear.h"
#include "train/parameters.h"

namespace saturn {
namespace {

constexpr double kDeviation = 0.02;
constexpr double kVitEpsilon = 1e-6;

bool has_class_token(const VitModel& model) {
  return model.pool == "cls";
}

Parameter position(const std::string& name, std::int64_t tokens, std::int64_t width) {
  return {name, {1, tokens, width}, Start::normal(kDeviation), false, {}};
}

std::vector<Parameter> embedding_parameters(const VitModel& model) {
  std::vector<Parameter> all{{"patch_embed.proj.weight",
                              {model.width, model.channels, model.patch, model.patch},
                              Start::normal(kDeviation),
                              true,
                              {}},
                             {"patch_embed.proj.bias", {model.width}, Start::zeros(), false, {}}};
  const std::int64_t tokens = model.patches() + (has_class_token(model) ? 1 : 0);
  all.push_back(position("pos_embed", tokens, model.width));
  if (has_class_token(model)) all.push_back(position("cls_token", 1, model.width));
  return all;
}

std::vector<Parameter> layer_parameters(const VitModel& model, std::int64_t layer) {
  const std::string name = fmt::format("blocks.{}", layer);
  const std::int64_t width = model.width;
  const auto projection = [&](const char* part, std::int64_t in, std::int64_t out) {
    return linear_parameters(name + part, in, out, kDeviation, Layout::kOutIn);
  };
  return joined({norm_parameters(name + ".norm1", width), projection(".attn.qkv", width, 3 * width),
                 projection(".attn.proj", width, width), norm_parameters(name + ".norm2", width),
                 projection(".mlp.fc1", width, model.hidden()),
                 projection(".mlp.fc2", model.hidden(), width)});
}

class VitEmbedding final : public Block {
 public:
  VitEmbedding(std::vector<Parameter> parameters, std::int64_t patch)
      : Block(std::move(parameters)), patch_(patch) {}

  at::Tensor forward(const at::Tensor& images, Pass) override {
    // The patches do not overlap: the convolution is a matrix product.
    at::Tensor x = linear_transposed(patches_of(images), at(0).flatten(1), at(1));
    if (parameters().size() == 4) x = at::cat({at(3).expand({x.size(0), 1, x.size(2)}), x}, 1);
    return at::add(x, at(2));
  }

 private:
  /// [batch, patches, channels x patch x patch], patches row by row.
  at::Tensor patches_of(const at::Tensor& images) const {
    const at::Tensor cut = images.unflatten(3, {-1, patch_}).unflatten(2, {-1, patch_});
    return cut.permute({0, 2, 4, 1, 3, 5}).flatten(3).flatten(1, 2);
  }

  std::int64_t patch_;
};

class VitLayer final : public Block {
 public:
  VitLayer(std::vector<Parameter> parameters, std::int64_t heads)
      : Block(std::move(parameters)), heads_(heads) {}

  at::Tensor forward(const at::Tensor& input, Pass) override {
    const at::Tensor qkv = linear_transposed(normalized(input, at(0), at(1), kVitEpsilon), at(2), at(3));
    const at::Tensor x =
        at::add(input, linear_transposed(self_attention(qkv, heads_, Sight::kAll), at(4), at(5)));
    return at::add(
        x, perceptron(normalized(x, at(6), at(7), kVitEpsilon), {at(8), at(9), at(10), at(11), true}));
  }

 private:
  std::int64_t heads_;
};

class VitHead final : public Block {
 public:
  VitHead(std::vector<Parameter> parameters, bool class_token)
      : Block(std::move(parameters)), class_token_(class_token) {}

  at::Tensor forward(const at::Tensor& x, Pass) override {
    const at::Tensor pooled = class_token_ ? normalized(x.select(1, 0), at(0), at(1), kVitEpsilon)
                                           : normalized(x, at(0), at(1), kVitEpsilon).mean(1);
    return linear_transposed(pooled, at(2), at(3));
  }

 private:
  bool class_token_;
};

}  // namespace

std::vector<std::unique_ptr<Block>> make_vit_blocks(const VitModel& model) {
  std::vector<std::unique_ptr<Block>> blocks;
  blocks.push_back(std::make_unique<VitEmbedding>(embedding_parameters(model), model.patch));
  for (std::int64_t layer = 0; layer < model.layers; ++layer)
    blocks.push_back(std::make_unique<VitLayer>(layer_parameters(model, layer), model.heads));
  blocks.push_back(std::make_unique<VitHead>(
      joined({norm_parameters("norm", model.width),
              linear_parameters("head", model.width, model.classes, kDeviation, Layout::kOutIn)}),
      has_class_token(model)));
  return blocks;
}

}  // namespace saturn
