// SPDX-License-Identifier: Apache-2.0
#include "train/gptj.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>

#include "model_checks.h"

namespace saturn::gptj_test {
using namespace saturn::test;

namespace {

ModelSpec small(std::int64_t rotary = 2) {
  ModelSpec spec;
  spec.kind = "gptj";
  spec.gptj = {2, 2, 8, 6, 11, rotary};
  return spec;
}

/// The paper's formulas, one token, head and pair at a time.
class Formula {
 public:
  Formula(const Model& model, const GptjModel& spec) : weights_(by_name(model)), spec_(spec) {}

  at::Tensor logits(const at::Tensor& tokens) const {
    at::Tensor x = at::embedding(weights_.at("transformer.wte.weight"), tokens);
    for (std::int64_t layer = 0; layer < spec_.layers; ++layer) {
      const std::string name = "transformer.h." + std::to_string(layer);
      const at::Tensor normed = norm(x, name + ".ln_1");
      const at::Tensor hidden = gelu_formula(linear(normed, name + ".mlp.fc_in"));
      x = x + attention(normed, name + ".attn.") + linear(hidden, name + ".mlp.fc_out");
    }
    return linear(norm(x, "transformer.ln_f"), "lm_head");
  }

 private:
  at::Tensor norm(const at::Tensor& x, const std::string& name) const {
    return layer_norm_formula(x, weights_.at(name + ".weight"), weights_.at(name + ".bias"), 1e-5);
  }
  at::Tensor linear(const at::Tensor& x, const std::string& name) const {
    const at::Tensor y = at::matmul(x, weights_.at(name + ".weight").t());
    return weights_.contains(name + ".bias") ? y + weights_.at(name + ".bias") : y;
  }

  /// A head's numbers at one position, pairs of neighbours turned by position / 10000^(2 i / turning).
  at::Tensor turned(const at::Tensor& numbers, std::int64_t position) const {
    at::Tensor result = numbers.clone();
    for (std::int64_t i = 0; i < spec_.turning(); i += 2) {
      const double angle = static_cast<double>(position) /
                           std::pow(10000.0, static_cast<double>(i) / static_cast<double>(spec_.turning()));
      const at::Tensor first = numbers.select(-1, i), second = numbers.select(-1, i + 1);
      result.select(-1, i).copy_(first * std::cos(angle) - second * std::sin(angle));
      result.select(-1, i + 1).copy_(second * std::cos(angle) + first * std::sin(angle));
    }
    return result;
  }

  at::Tensor attention(const at::Tensor& x, const std::string& name) const {
    const std::int64_t size = spec_.width / spec_.heads, context = x.size(1);
    at::Tensor mixed = at::zeros(x.sizes(), x.options());
    const at::Tensor query = linear(x, name + "q_proj"), key = linear(x, name + "k_proj"),
                     value = linear(x, name + "v_proj");
    for (std::int64_t head = 0; head < spec_.heads; ++head) {
      const auto part = [&](const at::Tensor& of, std::int64_t at) {
        return of.select(1, at).narrow(-1, head * size, size);
      };
      for (std::int64_t at = 0; at < context; ++at) {
        std::vector<at::Tensor> scores;
        for (std::int64_t seen = 0; seen <= at; ++seen)
          scores.push_back((turned(part(query, at), at) * turned(part(key, seen), seen)).sum(-1, true) /
                           std::sqrt(static_cast<double>(size)));
        const at::Tensor weights = at::softmax(at::cat(scores, -1), -1);
        at::Tensor sum = at::zeros({x.size(0), size}, x.options());
        for (std::int64_t seen = 0; seen <= at; ++seen)
          sum = sum + weights.narrow(-1, seen, 1) * part(value, seen);
        mixed.select(1, at).narrow(-1, head * size, size).copy_(sum);
      }
    }
    return linear(mixed, name + "out_proj");
  }

  std::map<std::string, at::Tensor> weights_;
  GptjModel spec_;
};

}  // namespace

TEST_CASE("GPT-J: names and shapes are those of Hugging Face's") {
  ModelSpec spec = small();
  spec.gptj.layers = 1;
  CHECK(names_and_shapes(build_model(spec)) ==
        "transformer.wte.weight 11 8 decays\n"
        "transformer.h.0.ln_1.weight 8\n"
        "transformer.h.0.ln_1.bias 8\n"
        "transformer.h.0.attn.q_proj.weight 8 8 decays\n"
        "transformer.h.0.attn.k_proj.weight 8 8 decays\n"
        "transformer.h.0.attn.v_proj.weight 8 8 decays\n"
        "transformer.h.0.attn.out_proj.weight 8 8 decays\n"
        "transformer.h.0.mlp.fc_in.weight 32 8 decays\n"
        "transformer.h.0.mlp.fc_in.bias 32\n"
        "transformer.h.0.mlp.fc_out.weight 8 32 decays\n"
        "transformer.h.0.mlp.fc_out.bias 8\n"
        "transformer.ln_f.weight 8\n"
        "transformer.ln_f.bias 8\n"
        "lm_head.weight 11 8 decays\n"
        "lm_head.bias 11\n");
}

TEST_CASE("GPT-J: the forward pass agrees with the formulas written out, whatever part of a head turns") {
  for (const std::int64_t rotary : {2, 4, 0}) {
    CAPTURE(rotary);
    const ModelSpec spec = small(rotary);
    const Example rows = some_tokens(3, 6, 11);
    const Model model = in_double(spec);
    CHECK(at::allclose(model.forward(rows.inputs).detach(), Formula(model, spec.gptj).logits(rows.inputs),
                       1e-9, 1e-9));
  }
}

TEST_CASE("GPT-J: every gradient agrees with finite differences") {
  check_gradients(in_double(small()), some_tokens(3, 6, 11));
}

TEST_CASE("GPT-J: float32 and bfloat16 have the gradients of float64") {
  ModelSpec spec = small(4);
  spec.gptj = {2, 4, 32, 16, 50, 4};
  check_type(spec, some_tokens(3, 16, 50), at::kFloat, 3e-5);
  check_type(spec, some_tokens(3, 16, 50), at::kBFloat16, 0.05, 2);
}

TEST_CASE("GPT-J: a token does not see the tokens after it") {
  check_causal(in_double(small()), some_tokens(3, 6, 11).inputs);
}

}  // namespace saturn::gptj_test
