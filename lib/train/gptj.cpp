// SPDX-License-Identifier: Apache-2.0
#include "train/gptj.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/add.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sub.h>
#include <fmt/format.h>

#include "train/attention.h"
#include "train/linear.h"
#include "train/parameters.h"

namespace saturn {
namespace {

constexpr double kGptjDeviation = 0.02;
constexpr double kGptjEpsilon = 1e-5;
constexpr double kRotaryBase = 10000;

Parameter matrix(const std::string& name, std::int64_t out, std::int64_t in) {
  return {name + ".weight", {out, in}, Start::normal(kGptjDeviation), true, {}};
}

std::vector<Parameter> layer_parameters(const GptjModel& model, std::int64_t layer) {
  const std::string name = fmt::format("transformer.h.{}", layer);
  const std::int64_t width = model.width;
  return joined({norm_parameters(name + ".ln_1", width),
                 {matrix(name + ".attn.q_proj", width, width), matrix(name + ".attn.k_proj", width, width),
                  matrix(name + ".attn.v_proj", width, width), matrix(name + ".attn.out_proj", width, width)},
                 linear_parameters(name + ".mlp.fc_in", width, 4 * width, kGptjDeviation, Layout::kOutIn),
                 linear_parameters(name + ".mlp.fc_out", 4 * width, width, kGptjDeviation, Layout::kOutIn)});
}

/// The angles' cosines and sines, [context, 1, turning / 2], of the type of `like`.
struct Turn {
  at::Tensor cosine, sine;

  Turn(std::int64_t context, std::int64_t turning, const at::Tensor& like) {
    // In float64 whatever the model computes in: an angle of thousands of radians has no digits to lose.
    const at::TensorOptions exact = like.options().dtype(at::kDouble).requires_grad(false);
    const at::Tensor exponents = at::arange(0, turning, 2, exact).div(-static_cast<double>(turning));
    const at::Tensor angles =
        at::outer(at::arange(context, exact), at::pow(kRotaryBase, exponents)).unsqueeze(1);
    cosine = angles.cos().to(like.scalar_type());
    sine = angles.sin().to(like.scalar_type());
  }

  /// Of x: [batch, context, heads, size]; the first numbers of each head, pair by pair.
  at::Tensor operator()(const at::Tensor& x) const {
    const std::int64_t turning = 2 * cosine.size(-1);
    const at::Tensor pairs = x.narrow(-1, 0, turning).unflatten(-1, {turning / 2, 2});
    const at::Tensor first = pairs.select(-1, 0), second = pairs.select(-1, 1);
    const at::Tensor turned = at::stack({at::sub(at::mul(first, cosine), at::mul(second, sine)),
                                         at::add(at::mul(second, cosine), at::mul(first, sine))},
                                        -1)
                                  .flatten(-2);
    if (turning == x.size(-1)) return turned;
    return at::cat({turned, x.narrow(-1, turning, x.size(-1) - turning)}, -1);
  }
};

class GptjEmbedding final : public Block {
 public:
  using Block::Block;
  at::Tensor forward(const at::Tensor& tokens, Pass) override { return at::embedding(at(0), tokens); }
};

class GptjLayer final : public Block {
 public:
  GptjLayer(std::vector<Parameter> parameters, const GptjModel& model)
      : Block(std::move(parameters)), heads_(model.heads), turning_(model.turning()) {}

  at::Tensor forward(const at::Tensor& input, Pass) override {
    const at::Tensor x = normalized(input, at(0), at(1), kGptjEpsilon);
    const at::Tensor attended = linear_transposed(attention(x), at(5));
    return at::add(at::add(input, attended), perceptron(x, {at(6), at(7), at(8), at(9), true}));
  }

 private:
  at::Tensor attention(const at::Tensor& x) const {
    const Turn turn(x.size(1), turning_, x);
    const auto in_heads = [&](std::size_t weight) {
      return linear_transposed(x, at(weight)).unflatten(-1, {heads_, x.size(-1) / heads_});
    };
    return self_attention(turn(in_heads(2)).transpose(1, 2), turn(in_heads(3)).transpose(1, 2),
                          in_heads(4).transpose(1, 2), Sight::kBackward);
  }

  std::int64_t heads_, turning_;
};

class GptjHead final : public Block {
 public:
  using Block::Block;
  at::Tensor forward(const at::Tensor& x, Pass) override {
    return linear_transposed(normalized(x, at(0), at(1), kGptjEpsilon), at(2), at(3));
  }
};

}  // namespace

std::vector<std::unique_ptr<Block>> make_gptj_blocks(const GptjModel& model) {
  std::vector<std::unique_ptr<Block>> blocks;
  blocks.push_back(std::make_unique<GptjEmbedding>(
      std::vector<Parameter>{matrix("transformer.wte", model.vocabulary, model.width)}));
  for (std::int64_t layer = 0; layer < model.layers; ++layer)
    blocks.push_back(std::make_unique<GptjLayer>(layer_parameters(model, layer), model));
  blocks.push_back(std::make_unique<GptjHead>(
      joined({norm_parameters("transformer.ln_f", model.width),
              linear_parameters("lm_head", model.width, model.vocabulary, kGptjDeviation, Layout::kOutIn)})));
  return blocks;
}

}  // namespace saturn
