// SPDX-License-Identifier: Apache-2.0
// Our own functions of models, on tensors that have no memory (Torch's "meta" device): whatever reads host
// memory where a GPU's would be, or mixes devices, shows here without a GPU.
#include <ATen/ops/empty.h>
#include <ATen/ops/ones_like.h>
#include <algorithm>
#include <doctest/doctest.h>

#include "train/linear.h"
#include "train/model.h"

namespace saturn::other_device_test {

namespace {

at::Tensor meta(at::IntArrayRef sizes, at::ScalarType dtype) {
  return at::empty(sizes, at::TensorOptions().dtype(dtype).device(at::kMeta));
}
at::Tensor weight(at::IntArrayRef sizes, at::ScalarType dtype) {
  return meta(sizes, dtype).requires_grad_(true);
}

/// Whether the backward pass gives each a gradient of its shape, on its device.
bool has_gradients(const at::Tensor& output, const std::vector<at::Tensor>& weights) {
  output.backward(at::ones_like(output));
  return std::all_of(weights.begin(), weights.end(), [](const at::Tensor& w) {
    return w.grad().defined() && w.grad().is_meta() && w.grad().sizes() == w.sizes();
  });
}

}  // namespace

TEST_CASE("matrix products, perceptron and loss touch no host memory and stay on their device") {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kDouble}) {
    INFO(std::string(c10::toString(dtype)));
    const at::Tensor x = weight({3, 16, 32}, dtype);
    const at::Tensor in = weight({32, 96}, dtype), in_bias = weight({96}, dtype);
    CHECK(has_gradients(linear(x, in, in_bias), {x, in, in_bias}));
    const at::Tensor head = weight({300, 32}, dtype);
    CHECK(has_gradients(linear_transposed(x, head), {x, head}));
    const at::Tensor head_bias = weight({300}, dtype);
    CHECK(has_gradients(linear_transposed(x, head, head_bias), {x, head, head_bias}));
    const at::Tensor up = weight({32, 128}, dtype), up_bias = weight({128}, dtype);
    const at::Tensor down = weight({128, 32}, dtype), down_bias = weight({32}, dtype);
    CHECK(has_gradients(perceptron(x, {up, up_bias, down, down_bias}), {x, up, up_bias, down, down_bias}));
    CHECK(has_gradients(perceptron(x, {down, up_bias, up, down_bias, true}),
                        {x, down, up_bias, up, down_bias}));
    const at::Tensor logits = weight({3, 16, 300}, dtype);
    CHECK(has_gradients(cross_entropy(logits, meta({3, 16}, at::kLong)), {logits}));
  }
}

}  // namespace saturn::other_device_test
