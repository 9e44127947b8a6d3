// SPDX-License-Identifier: Apache-2.0
#include "train/model.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/add.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tril.h>
#include <cmath>
#include <doctest/doctest.h>
#include <map>
#include <string>
#include <vector>

#include "model_checks.h"
#include "train/linear.h"

namespace saturn::model_test {
using namespace saturn::test;

namespace {

ModelSpec small(std::int64_t layers = 2) {
  return {"gpt", {layers, 2, 8, 6, 11}};
}

Example some_rows(const ModelSpec& spec) {
  return some_tokens(3, spec.gpt.context, spec.gpt.vocabulary);
}

/// Layer norm, attention and the rest written out from the paper, one operation after another.
class Formula {
 public:
  Formula(const Model& model, const GptModel& spec) : weights_(by_name(model)), spec_(spec) {}

  at::Tensor logits(const at::Tensor& tokens) const {
    at::Tensor x = at::embedding(w("wte.weight"), tokens) + w("wpe.weight");
    for (std::int64_t layer = 0; layer < spec_.layers; ++layer) {
      const std::string name = "h." + std::to_string(layer);
      x = x +
          linear(attention(linear(norm(x, name + ".ln_1"), name + ".attn.c_attn")), name + ".attn.c_proj");
      x = x + linear(gelu_formula(linear(norm(x, name + ".ln_2"), name + ".mlp.c_fc")), name + ".mlp.c_proj");
    }
    return at::matmul(norm(x, "ln_f"), w("wte.weight").t());
  }

 private:
  const at::Tensor& w(const std::string& name) const { return weights_.at("transformer." + name); }
  at::Tensor linear(const at::Tensor& x, const std::string& name) const {
    return at::matmul(x, w(name + ".weight")) + w(name + ".bias");
  }
  at::Tensor norm(const at::Tensor& x, const std::string& name) const {
    return layer_norm_formula(x, w(name + ".weight"), w(name + ".bias"), 1e-5);
  }
  at::Tensor attention(const at::Tensor& qkv) const {
    const std::int64_t size = spec_.width / spec_.heads;
    const at::Tensor mask = at::tril(at::ones({spec_.context, spec_.context})).eq(0);
    std::vector<at::Tensor> heads;
    for (std::int64_t head = 0; head < spec_.heads; ++head) {
      const auto part = [&](std::int64_t which) {
        return qkv.narrow(2, which * spec_.width + head * size, size);
      };
      const at::Tensor scores =
          at::matmul(part(0), part(1).transpose(1, 2)) / std::sqrt(static_cast<double>(size));
      heads.push_back(at::matmul(at::softmax(scores.masked_fill(mask, -INFINITY), -1), part(2)));
    }
    return at::cat(heads, 2);
  }

  std::map<std::string, at::Tensor> weights_;
  GptModel spec_;
};

}  // namespace

TEST_CASE("names and shapes are those of Hugging Face's GPT-2") {
  CHECK(names_and_shapes(build_model(small(1))) ==
        "transformer.wte.weight 11 8 decays\n"
        "transformer.wpe.weight 6 8 decays\n"
        "transformer.h.0.ln_1.weight 8\n"
        "transformer.h.0.ln_1.bias 8\n"
        "transformer.h.0.attn.c_attn.weight 8 24 decays\n"
        "transformer.h.0.attn.c_attn.bias 24\n"
        "transformer.h.0.attn.c_proj.weight 8 8 decays\n"
        "transformer.h.0.attn.c_proj.bias 8\n"
        "transformer.h.0.ln_2.weight 8\n"
        "transformer.h.0.ln_2.bias 8\n"
        "transformer.h.0.mlp.c_fc.weight 8 32 decays\n"
        "transformer.h.0.mlp.c_fc.bias 32\n"
        "transformer.h.0.mlp.c_proj.weight 32 8 decays\n"
        "transformer.h.0.mlp.c_proj.bias 8\n"
        "transformer.ln_f.weight 8\n"
        "transformer.ln_f.bias 8\n");
}

TEST_CASE("a built model has as many parameters as are counted") {
  std::int64_t built = 0;
  for (const Parameter& parameter : build_model(small(3), 1).parameters()) built += parameter.tensor.numel();
  CHECK(parameter_count(small(3)) == built);
}

TEST_CASE("the signature names what the tensors depend on") {
  CHECK(model_signature(small()) == "gpt layers=2 heads=2 width=8 context=6 vocabulary=11");
}

TEST_CASE("the head's matrix is the embedding's, in the blocks once each and in the model once") {
  const Model model = build_model(small(), 1);
  REQUIRE(model.blocks.size() == 4);
  const Parameter& embedding = model.blocks.front()->parameters().front();
  const Parameter& head = model.blocks.back()->parameters().back();
  CHECK(embedding.name == head.name);
  CHECK(embedding.tensor.is_same(head.tensor));
}

TEST_CASE("the initial weights are a function of the seed alone") {
  const auto first = by_name(build_model(small(), 5)), again = by_name(build_model(small(), 5));
  const auto other = by_name(build_model(small(), 6));
  for (const auto& [name, tensor] : first) CHECK(at::equal(tensor, again.at(name)));
  CHECK_FALSE(at::equal(first.at("transformer.wte.weight"), other.at("transformer.wte.weight")));
  CHECK_FALSE(at::equal(first.at("transformer.h.0.attn.c_proj.weight"),
                        first.at("transformer.h.1.attn.c_proj.weight")));
}

TEST_CASE("the initial weights are spread as GPT-2's") {
  const auto weights = by_name(build_model({"gpt", {8, 4, 128, 64, 256}}, 1));
  const auto deviation = [&](const char* name) { return weights.at(name).std().item<double>(); };
  CHECK(deviation("transformer.wte.weight") == doctest::Approx(0.02).epsilon(0.02));
  CHECK(deviation("transformer.h.3.mlp.c_fc.weight") == doctest::Approx(0.02).epsilon(0.02));
  CHECK(deviation("transformer.h.3.attn.c_proj.weight") == doctest::Approx(0.005).epsilon(0.02));
  CHECK(deviation("transformer.h.3.mlp.c_proj.weight") == doctest::Approx(0.005).epsilon(0.02));
  CHECK(weights.at("transformer.h.3.mlp.c_fc.bias").eq(0).all().item<bool>());
  CHECK(weights.at("transformer.h.3.ln_1.weight").eq(1).all().item<bool>());
  CHECK(std::abs(weights.at("transformer.wte.weight").mean().item<double>()) < 4e-4);
}

TEST_CASE("the forward pass agrees with the formulas written out") {
  const ModelSpec spec = small();
  const Example rows = some_rows(spec);
  const Model model = in_double(spec);
  const at::Tensor expected = Formula(model, spec.gpt).logits(rows.inputs);
  const at::Tensor logits = model.forward(rows.inputs).detach();
  CHECK(logits.sizes() == at::IntArrayRef({3, 6, 11}));
  CHECK(at::allclose(logits, expected, 1e-9, 1e-9));
}

TEST_CASE("every gradient agrees with finite differences") {
  check_gradients(in_double(small()), some_rows(small()));
}

TEST_CASE("float32, with its own loops, and bfloat16 have the gradients of float64") {
  const ModelSpec spec{"gpt", {2, 4, 32, 16, 50}};
  check_type(spec, some_rows(spec), at::kFloat, 2e-5);
  check_type(spec, some_rows(spec), at::kBFloat16, 0.05, 2);
}

TEST_CASE("a token does not see the tokens after it") {
  check_causal(in_double(small()), some_rows(small()).inputs);
}

TEST_CASE("a context shorter than the model's is allowed") {
  const ModelSpec spec = small();
  const Model model = build_model(spec, 1);
  CHECK(model.forward(some_rows(spec).inputs.slice(1, 0, 3)).size(1) == 3);
}

TEST_CASE("a training step repeats its bits") {
  const ModelSpec spec{"gpt", {2, 4, 32, 16, 50}};
  const Example rows = some_rows(spec);
  std::vector<at::Tensor> gradients;
  for (int run = 0; run < 2; ++run) {
    const Model model = build_model(spec, 9);
    cross_entropy(model.forward(rows.inputs), rows.targets).backward();
    std::vector<at::Tensor> flat;
    for (const Parameter& parameter : model.parameters()) flat.push_back(parameter.tensor.grad().reshape(-1));
    gradients.push_back(at::cat(flat));
  }
  CHECK(at::equal(gradients[0], gradients[1]));
}

TEST_CASE("both matrix libraries multiply alike") {
  const at::Tensor x = at::randn({37, 24}), weight = at::randn({24, 40}), bias = at::randn({40});
  const at::Tensor a = at::randn({37, 40});
  for (const MatrixLibrary library : {MatrixLibrary::kTorch, MatrixLibrary::kOneDnn}) {
    const auto exact = [](const at::Tensor& left, const at::Tensor& right) {
      return at::matmul(left.to(at::kDouble), right.to(at::kDouble)).to(at::kFloat);
    };
    CHECK(at::allclose(affine(x, weight, bias, library), exact(x, weight) + bias, 1e-4, 1e-4));
    CHECK(at::allclose(affine(x, weight, {}, library), exact(x, weight), 1e-4, 1e-4));
    CHECK(at::allclose(times_transposed(a, weight, library), exact(a, weight.t()), 1e-4, 1e-4));
    CHECK(at::allclose(transposed_times(x, a, library), exact(x.t(), a), 1e-4, 1e-4));
  }
}

TEST_CASE("the choice of the matrix library stays") {
  CHECK(preferred_matrix_library() == preferred_matrix_library());
}

TEST_CASE("the cross-entropy and its gradient are Torch's") {
  at::Tensor logits =
      at::randn({4, 5, 300}, at::detail::createCPUGenerator(3)).mul_(5).set_requires_grad(true);
  at::Tensor reference = logits.detach().to(at::kDouble).set_requires_grad(true);
  const at::Tensor targets = at::arange(20, at::kLong).mul(13).view({4, 5});
  const at::Tensor loss = cross_entropy(logits, targets);
  const at::Tensor expected = at::cross_entropy_loss(reference.view({20, 300}), targets.view(-1));
  CHECK(loss.dim() == 0);
  CHECK(loss.item<double>() == doctest::Approx(expected.item<double>()).epsilon(1e-6));
  (loss * 3).backward();
  (expected * 3).backward();
  CHECK(at::allclose(logits.grad(), reference.grad().to(at::kFloat), 1e-4, 1e-7));
}

TEST_CASE("the cross-entropy of bfloat16 logits is float32's, and its gradient bfloat16") {
  const at::Tensor logits = at::randn({64, 300}).mul(4).to(at::kBFloat16).requires_grad_(true);
  const at::Tensor targets = at::arange(64, at::kLong);
  const at::Tensor exact = logits.detach().to(at::kDouble).requires_grad_(true);
  const at::Tensor loss = cross_entropy(logits, targets), exact_loss = at::cross_entropy_loss(exact, targets);
  CHECK((loss.scalar_type() == at::kFloat));
  CHECK(std::abs(loss.item<double>() - exact_loss.item<double>()) < 1e-5);
  loss.backward();
  exact_loss.backward();
  CHECK((logits.grad().scalar_type() == at::kBFloat16));
  CHECK(at::allclose(logits.grad().to(at::kDouble), exact.grad(), /*rtol=*/1.0 / 128, /*atol=*/1e-9));
}

}  // namespace saturn::model_test
