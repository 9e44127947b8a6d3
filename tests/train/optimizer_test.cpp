// SPDX-License-Identifier: Apache-2.0
#include "train/optimizer.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <map>

using namespace saturn;

namespace {

/// Keeps what was added.
class Memory final : public CheckpointWriter, public CheckpointReader {
 public:
  void add(const std::string& name, const at::Tensor& tensor) override { tensors_[name] = tensor.clone(); }
  bool has(const std::string& name) const override { return tensors_.contains(name); }
  at::Tensor tensor(const std::string& name) const override {
    if (!has(name)) throw CheckpointError("no " + name);
    return tensors_.at(name);
  }
  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : tensors_) names.push_back(name);
    return names;
  }

 private:
  std::map<std::string, at::Tensor> tensors_;
};

std::vector<Parameter> two_parameters() {
  std::vector<Parameter> parameters{{"matrix", at::full({2, 3}, 0.5F), true},
                                    {"bias", at::full({3}, -0.25F), false}};
  for (Parameter& parameter : parameters) parameter.tensor.set_requires_grad(true);
  return parameters;
}

void set_gradients(const std::vector<Parameter>& parameters, float value) {
  for (const Parameter& parameter : parameters)
    parameter.tensor.mutable_grad() = at::full(parameter.tensor.sizes(), value);
}

OptimizerSpec some_spec() {
  OptimizerSpec spec;
  spec.weight_decay = 0.1;
  spec.beta1 = 0.8;
  spec.beta2 = 0.9;
  spec.epsilon = 1e-6;
  return spec;
}

/// One element under AdamW, by its definition.
struct Element {
  double value, m = 0, v = 0;
  void step(double gradient, double rate, double decay, int count) {
    value -= rate * decay * value;
    m = 0.8 * m + 0.2 * gradient;
    v = 0.9 * v + 0.1 * gradient * gradient;
    value -= rate * (m / (1 - std::pow(0.8, count))) / (std::sqrt(v / (1 - std::pow(0.9, count))) + 1e-6);
  }
};

}  // namespace

TEST_CASE("AdamW does what its definition says; only parameters that decay decay") {
  const std::vector<Parameter> parameters = two_parameters();
  AdamW optimizer(parameters, some_spec());
  Element matrix{0.5}, bias{-0.25};
  for (int count = 1; count <= 5; ++count) {
    const float gradient = 0.3F * static_cast<float>(count) - 0.7F;
    const double rate = 0.01 * count;
    set_gradients(parameters, gradient);
    optimizer.step(rate);
    matrix.step(gradient, rate, 0.1, count);
    bias.step(gradient, rate, 0, count);
    CHECK(at::allclose(parameters[0].tensor, at::full({2, 3}, matrix.value, at::kFloat), 1e-5));
    CHECK(at::allclose(parameters[1].tensor, at::full({3}, bias.value, at::kFloat), 1e-5));
  }
  CHECK(optimizer.steps() == 5);
}

TEST_CASE("the gradient factor multiplies every gradient") {
  const std::vector<Parameter> first = two_parameters(), second = two_parameters();
  AdamW a(first, some_spec()), b(second, some_spec());
  for (const float gradient : {1.0F, -3.0F}) {
    set_gradients(first, gradient);
    a.step(0.1, 0.25);
    set_gradients(second, gradient / 4);
    b.step(0.1);
    CHECK(at::allclose(first[0].tensor, second[0].tensor, 1e-6));
  }
}

TEST_CASE("a missing gradient is an error that changes nothing") {
  const std::vector<Parameter> parameters = two_parameters();
  AdamW optimizer(parameters, some_spec());
  parameters[0].tensor.mutable_grad() = at::full({2, 3}, 1.0F);
  CHECK_THROWS_WITH_AS(optimizer.step(0.1), "parameter 'bias' has no gradient", std::logic_error);
  CHECK(optimizer.steps() == 0);
  CHECK(at::equal(parameters[0].tensor, at::full({2, 3}, 0.5F)));
}

TEST_CASE("gradients are dropped") {
  const std::vector<Parameter> parameters = two_parameters();
  AdamW optimizer(parameters, some_spec());
  set_gradients(parameters, 1);
  optimizer.clear_gradients();
  CHECK_FALSE(parameters[0].tensor.grad().defined());
  CHECK_FALSE(parameters[1].tensor.grad().defined());
}

TEST_CASE("an optimizer that is saved and loaded goes on with the same bits") {
  const std::vector<Parameter> first = two_parameters(), second = two_parameters();
  AdamW a(first, some_spec()), b(second, some_spec());
  set_gradients(first, 0.7F);
  a.step(0.1);
  Memory memory;
  a.save(memory);
  CHECK(memory.names() == std::vector<std::string>{"optimizer.exp_avg.bias", "optimizer.exp_avg.matrix",
                                                   "optimizer.exp_avg_sq.bias", "optimizer.exp_avg_sq.matrix",
                                                   "optimizer.step"});
  b.load(memory);
  for (std::size_t i = 0; i < 2; ++i) second[i].tensor.detach().copy_(first[i].tensor.detach());
  set_gradients(first, -0.2F);
  set_gradients(second, -0.2F);
  a.step(0.1);
  b.step(0.1);
  CHECK(b.steps() == 2);
  for (std::size_t i = 0; i < 2; ++i) CHECK(at::equal(first[i].tensor, second[i].tensor));
}

TEST_CASE("optimizer state of another shape is refused") {
  const std::vector<Parameter> parameters = two_parameters();
  AdamW optimizer(parameters, some_spec());
  Memory memory;
  optimizer.save(memory);
  memory.add("optimizer.exp_avg_sq.bias", at::zeros({4}));
  CHECK_THROWS_WITH_AS(optimizer.load(memory),
                       "tensor 'optimizer.exp_avg_sq.bias' is [4] in the checkpoint and [3] in the model",
                       CheckpointError);
}

TEST_CASE("the gradient norm is over all parameters together") {
  const std::vector<Parameter> parameters = two_parameters();
  set_gradients(parameters, 2);
  CHECK(gradient_norm(parameters) == doctest::Approx(6));  // nine elements of 2
  parameters[1].tensor.mutable_grad()[1] = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(gradient_norm(parameters)));
}

TEST_CASE("the clip factor brings a norm down to the limit and never up") {
  CHECK(clip_factor(4, 1) == 0.25);
  CHECK(clip_factor(1, 1) == 1);
  CHECK(clip_factor(0.5, 1) == 1);
  CHECK(clip_factor(4, 0) == 1);
  CHECK(clip_factor(0, 1) == 1);
}
