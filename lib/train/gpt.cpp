// SPDX-License-Identifier: Apache-2.0
#include "train/gpt.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/add.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/normal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include "train/attention.h"
#include "train/gpt_layout.h"
#include "train/linear.h"

namespace saturn {
namespace {

constexpr double kNormEpsilon = 1e-5;

/// Number `index` of a stream of seeds: every parameter has a generator of its own, so its values do not
/// depend on the parameters before it.
std::uint64_t parameter_seed(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t x = seed * 0x9e3779b97f4a7c15ULL + index + 1;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

at::Tensor start_value(const GptParameter& parameter, std::uint64_t seed) {
  switch (parameter.start) {
    case GptParameter::Start::kZeros:
      return at::zeros(parameter.shape);
    case GptParameter::Start::kOnes:
      return at::ones(parameter.shape);
    case GptParameter::Start::kNormal:
      break;
  }
  return at::empty(parameter.shape).normal_(0, parameter.deviation, at::detail::createCPUGenerator(seed));
}

/// Makes the parameters of one block after another.
class ParameterMaker {
 public:
  explicit ParameterMaker(std::uint64_t seed) : seed_(seed) {}

  std::vector<Parameter> make(const std::vector<GptParameter>& layout) {
    std::vector<Parameter> parameters;
    for (const GptParameter& parameter : layout) {
      at::Tensor tensor = start_value(parameter, parameter_seed(seed_, index_++));
      tensor.set_requires_grad(true);
      parameters.push_back({parameter.name, std::move(tensor), parameter.shape.size() > 1});
    }
    return parameters;
  }

 private:
  std::uint64_t seed_;
  std::uint64_t index_ = 0;
};

/// A block with its parameters in the order of its layout.
class GptBlock : public Block {
 public:
  explicit GptBlock(std::vector<Parameter> parameters) : parameters_(std::move(parameters)) {}
  const std::vector<Parameter>& parameters() const override { return parameters_; }

 protected:
  const at::Tensor& at(std::size_t index) const { return parameters_[index].tensor; }
  /// Layer norm with the weight at `index` and the bias after it.
  at::Tensor norm(const at::Tensor& x, std::size_t index) const {
    return at::layer_norm(x, x.size(-1), at(index), at(index + 1), kNormEpsilon);
  }

 private:
  std::vector<Parameter> parameters_;
};

class Embedding final : public GptBlock {
 public:
  using GptBlock::GptBlock;
  at::Tensor forward(const at::Tensor& tokens) override {
    return at::add(at::embedding(at(0), tokens), at(1).narrow(0, 0, tokens.size(1)));
  }
};

class Layer final : public GptBlock {
 public:
  Layer(std::vector<Parameter> parameters, std::int64_t heads)
      : GptBlock(std::move(parameters)), heads_(heads) {}

  at::Tensor forward(const at::Tensor& input) override {
    const at::Tensor mixed = causal_attention(linear(norm(input, 0), at(2), at(3)), heads_);
    const at::Tensor x = at::add(input, linear(mixed, at(4), at(5)));
    return at::add(x, perceptron(norm(x, 6), {at(8), at(9), at(10), at(11)}));
  }

 private:
  std::int64_t heads_;
};

class Head final : public GptBlock {
 public:
  using GptBlock::GptBlock;
  at::Tensor forward(const at::Tensor& x) override { return linear_transposed(norm(x, 0), at(2)); }
};

}  // namespace

std::vector<std::unique_ptr<Block>> make_gpt_blocks(const GptModel& model, std::uint64_t seed) {
  ParameterMaker maker(seed);
  std::vector<std::unique_ptr<Block>> blocks;
  blocks.push_back(std::make_unique<Embedding>(maker.make(gpt_embedding_parameters(model))));
  for (std::int64_t layer = 0; layer < model.layers; ++layer)
    blocks.push_back(std::make_unique<Layer>(maker.make(gpt_layer_parameters(model, layer)), model.heads));
  std::vector<Parameter> head = maker.make(gpt_head_parameters(model));
  head.push_back(blocks.front()->parameters().front());
  blocks.push_back(std::make_unique<Head>(std::move(head)));
  return blocks;
}

}  // namespace saturn
