// SPDX-License-Identifier: Apache-2.0
#include "train/mlp.h"

#include <ATen/ops/allclose.h>

#include "model_checks.h"

namespace saturn::mlp_test {
using namespace saturn::test;

namespace {

ModelSpec small() {
  ModelSpec spec;
  spec.kind = "mlp";
  spec.mlp = {12, 2, 7, 5};
  return spec;
}

}  // namespace

TEST_CASE("mlp: names and shapes") {
  CHECK(names_and_shapes(build_model(small())) ==
        "layers.0.weight 7 12 decays\n"
        "layers.0.bias 7\n"
        "layers.1.weight 7 7 decays\n"
        "layers.1.bias 7\n"
        "layers.2.weight 5 7 decays\n"
        "layers.2.bias 5\n");
}

TEST_CASE("mlp: the forward pass agrees with the formulas, and samples of any shape are flattened") {
  const Model model = in_double(small(), 1);
  const auto weights = by_name(model);
  const Example example = some_samples(4, {3, 2, 2}, 5);
  at::Tensor x = example.inputs.view({4, 12});
  for (int layer = 0; layer < 3; ++layer) {
    const std::string name = "layers." + std::to_string(layer);
    x = at::matmul(x, weights.at(name + ".weight").t()) + weights.at(name + ".bias");
    if (layer < 2) x = x * x.gt(0);
  }
  CHECK(at::allclose(model.forward(example.inputs).detach(), x, 1e-12, 1e-12));
}

TEST_CASE("mlp: every gradient agrees with finite differences") {
  check_gradients(in_double(small(), 1), some_samples(4, {12}, 5));
}

TEST_CASE("mlp: float32 and bfloat16 have the gradients of float64") {
  check_type(small(), some_samples(4, {12}, 5), at::kFloat, 1e-5, 1);
  check_type(small(), some_samples(4, {12}, 5), at::kBFloat16, 0.05, 1);
}

TEST_CASE("mlp: weights begin as He et al. say") {
  ModelSpec spec;
  spec.kind = "mlp";
  spec.mlp = {200, 1, 300, 100};
  const auto weights = by_name(build_model(spec, 1));
  CHECK(weights.at("layers.0.weight").std().item<double>() == doctest::Approx(0.1).epsilon(0.02));
  CHECK(weights.at("layers.1.weight").std().item<double>() ==
        doctest::Approx(std::sqrt(1.0 / 300)).epsilon(0.02));
}

}  // namespace saturn::mlp_test
