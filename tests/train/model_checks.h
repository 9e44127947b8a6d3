// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/ops/add.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/matmul.h>
#include <cmath>
#include <doctest/doctest.h>
#include <map>
#include <string>
#include <vector>

#include "train/model.h"

namespace saturn::test {

/// A batch to try a model with.
struct Example {
  at::Tensor inputs, targets;
};

/// Samples of this shape, numbers from -1 to 1 that float32 holds exactly, with a class each.
inline Example some_samples(std::int64_t rows, std::vector<std::int64_t> shape, std::int64_t classes) {
  shape.insert(shape.begin(), rows);
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  const at::Tensor numbers = at::arange(count, at::kLong).mul(7919).remainder(257).sub(128);
  return {numbers.to(at::kDouble).div(128).view(shape), at::arange(rows, at::kLong).remainder(classes)};
}

/// Rows of tokens with the next ones as targets.
inline Example some_tokens(std::int64_t rows, std::int64_t context, std::int64_t vocabulary) {
  const at::Tensor tokens =
      at::arange(rows * (context + 1), at::kLong).mul(7).remainder(vocabulary).view({rows, context + 1});
  return {tokens.slice(1, 0, -1).contiguous(), tokens.slice(1, 1).contiguous()};
}

/// The model with float64 parameters that float32 holds exactly; `scale` makes matrices of a size that makes
/// every path matter.
inline Model in_double(const ModelSpec& spec, double scale = 5) {
  Model model = build_model(spec, 3);
  for (const Parameter& parameter : model.parameters()) {
    const at::Tensor values = parameter.tensor.detach();
    const at::Tensor scaled = parameter.decay
                                  ? values.mul(scale)
                                  : at::add(values, at::arange(values.numel()).view_as(values), 0.01);
    parameter.tensor.set_data(scaled.to(at::kDouble));
  }
  for (const Parameter& buffer : model.buffers()) buffer.tensor.set_data(buffer.tensor.to(at::kDouble));
  return model;
}

/// Parameters and buffers.
inline std::map<std::string, at::Tensor> by_name(const Model& model) {
  std::map<std::string, at::Tensor> all;
  for (const Parameter& parameter : model.tensors()) all[parameter.name] = parameter.tensor.detach();
  return all;
}

/// "NAME 8 24 decays", a line for each parameter, then each buffer.
inline std::string names_and_shapes(const Model& model) {
  std::string text;
  for (const Parameter& parameter : model.tensors()) {
    text += parameter.name;
    for (const std::int64_t extent : parameter.shape) text += " " + std::to_string(extent);
    text += parameter.decay ? " decays\n" : "\n";
  }
  return text;
}

inline at::Tensor loss_of(const Model& model, const Example& example) {
  return cross_entropy(model.forward(example.inputs), example.targets);
}

/// Every fifth number of each gradient against the difference quotient.
inline void check_gradients(const Model& model, const Example& example) {
  loss_of(model, example).backward();
  for (const Parameter& parameter : model.parameters()) {
    CAPTURE(parameter.name);
    const at::Tensor flat = parameter.tensor.detach().view(-1);
    REQUIRE(parameter.tensor.grad().defined());
    const at::Tensor gradient = parameter.tensor.grad().reshape(-1);
    for (std::int64_t i = 0; i < flat.numel(); i += 5) {
      constexpr double kStep = 1e-5;
      const double value = flat[i].item<double>();
      const auto loss_at = [&](double moved) {
        flat[i].fill_(moved);
        return loss_of(model, example).item<double>();
      };
      const double above = loss_at(value + kStep), below = loss_at(value - kStep);
      flat[i].fill_(value);
      CHECK(gradient[i].item<double>() ==
            doctest::Approx((above - below) / (2 * kStep)).epsilon(1e-5).scale(1e-2));
    }
  }
}

/// The loss and the gradients of the model in `type`, against those of float64: within `tolerance` of each
/// gradient's norm (or of a hundredth of the largest norm, for gradients that are next to nothing).
inline void check_type(const ModelSpec& spec, const Example& example, at::ScalarType type, double tolerance,
                       double scale = 5) {
  const Model precise = in_double(spec, scale);
  Model model = build_model(spec);
  materialize(model.blocks, 3, at::TensorOptions().dtype(type));
  for (const Parameter& parameter : model.parameters())
    parameter.tensor.set_data(by_name(precise).at(parameter.name).to(type));
  Example cast = example;
  if (at::isFloatingType(example.inputs.scalar_type())) cast.inputs = example.inputs.to(type);
  const at::Tensor loss = loss_of(model, cast), expected = loss_of(precise, example);
  CHECK(loss.item<double>() == doctest::Approx(expected.item<double>()).epsilon(tolerance));
  loss.backward();
  expected.backward();
  const std::vector<Parameter> parameters = model.parameters(), references = precise.parameters();
  double largest = 0;
  for (const Parameter& reference : references)
    largest = std::max(largest, reference.tensor.grad().norm().item<double>());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    CAPTURE(parameters[i].name);
    CHECK((parameters[i].tensor.grad().scalar_type() == type));
    const at::Tensor reference = references[i].tensor.grad();
    const double difference = (parameters[i].tensor.grad().to(at::kDouble) - reference).norm().item<double>();
    CHECK(difference <= tolerance * std::max(reference.norm().item<double>(), 0.01 * largest));
  }
}

/// Position 4 of the rows changes what comes after it, and nothing before.
inline void check_causal(const Model& model, const at::Tensor& tokens) {
  at::Tensor changed = tokens.clone();
  changed.select(1, 4).fill_(0);
  const at::Tensor before = model.forward(tokens).detach(), after = model.forward(changed).detach();
  CHECK(at::allclose(before.slice(1, 0, 4), after.slice(1, 0, 4), 1e-12, 1e-12));
  CHECK_FALSE(at::allclose(before.slice(1, 5), after.slice(1, 5)));
}

// Layers written out from their papers, one operation after another.

inline at::Tensor layer_norm_formula(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                     double epsilon) {
  const at::Tensor centred = x - x.mean(-1, true);
  const at::Tensor variance = (centred * centred).mean(-1, true);
  return centred / (variance + epsilon).sqrt() * weight + bias;
}

inline at::Tensor gelu_formula(const at::Tensor& x) {
  return 0.5 * x * (1 + (std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)).tanh());
}

}  // namespace saturn::test
