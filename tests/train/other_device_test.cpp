// SPDX-License-Identifier: Apache-2.0
// Our own functions of models, on tensors that have no memory (Torch's "meta" device): whatever reads host
// memory where a GPU's would be, or mixes devices, shows here without a GPU.
#include <ATen/ops/empty.h>
#include <ATen/ops/ones_like.h>
#include <algorithm>
#include <doctest/doctest.h>

#include "train/linear.h"
#include "train/model.h"

using namespace saturn;

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
    const at::Tensor up = weight({32, 128}, dtype), up_bias = weight({128}, dtype);
    const at::Tensor down = weight({128, 32}, dtype), down_bias = weight({32}, dtype);
    CHECK(has_gradients(perceptron(x, {up, up_bias, down, down_bias}), {x, up, up_bias, down, down_bias}));
    const at::Tensor logits = weight({3, 16, 300}, dtype);
    CHECK(has_gradients(cross_entropy(logits, meta({3, 16}, at::kLong)), {logits}));
  }
}

TEST_CASE("models of every kind touch no host memory and stay on their device") {
  for (const char* preset : {"gpt2", "gpt-j-6b", "vit-b-16", "resnet-50"}) {
    CAPTURE(preset);
    ModelSpec spec = model_preset(preset);
    spec.gpt.layers = spec.gptj.layers = spec.vit.layers = 1;
    Model model = build_model(spec);
    for (const auto& block : model.blocks) {
      for (Parameter& slot : block->parameters()) slot.tensor = weight(slot.shape, at::kFloat);
      for (Parameter& slot : block->buffers()) slot.tensor = meta(slot.shape, at::kFloat);
    }
    const ModelInput input = input_of(spec);
    const bool tokens = input.kind == ModelInput::Kind::kTokens;
    const at::Tensor inputs =
        tokens ? meta({2, 8}, at::kLong) : meta({2, input.channels, input.image, input.image}, at::kFloat);
    const at::Tensor targets = tokens ? meta({2, 8}, at::kLong) : meta({2}, at::kLong);
    std::vector<at::Tensor> weights;
    for (const auto& block : model.blocks)
      for (const Parameter& slot : block->parameters()) weights.push_back(slot.tensor);
    // A tied weight stands in two slots here, as two.
    CHECK(has_gradients(cross_entropy(model.forward(inputs), targets), weights));
  }
}
