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

namespace saturn::optimizer_test {

namespace {

/// Keeps what was added.
class Memory final : public CheckpointWriter, public CheckpointReader {
 public:
  void add(const std::string& name, const at::Tensor& tensor) override { tensors_[name] = tensor.clone(); }
  void add_part(const std::string& name, const std::vector<std::int64_t>& shape, std::int64_t offset,
                const at::Tensor& part) override {
    at::Tensor& whole = tensors_[name];
    if (!whole.defined()) whole = at::full(shape, std::nanf(""), part.options());
    whole.view(-1).narrow(0, offset, part.numel()).copy_(part.reshape(-1));
  }
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

/// A matrix that decays and a bias that does not.
std::vector<Slice> two_slices() {
  return {{"matrix", {2, 3}, 0, true, at::full({2, 3}, 0.5F)},
          {"bias", {3}, 0, false, at::full({3}, -0.25F)}};
}

std::vector<at::Tensor> gradients_of(float value) {
  return {at::full({2, 3}, value), at::full({3}, value)};
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
  const std::vector<Slice> slices = two_slices();
  AdamW optimizer(slices, some_spec());
  Element matrix{0.5}, bias{-0.25};
  for (int count = 1; count <= 5; ++count) {
    const float gradient = 0.3F * static_cast<float>(count) - 0.7F;
    const double rate = 0.01 * count;
    optimizer.step(gradients_of(gradient), rate);
    matrix.step(gradient, rate, 0.1, count);
    bias.step(gradient, rate, 0, count);
    CHECK(at::allclose(slices[0].value, at::full({2, 3}, matrix.value, at::kFloat), 1e-5));
    CHECK(at::allclose(slices[1].value, at::full({3}, bias.value, at::kFloat), 1e-5));
  }
  CHECK(optimizer.steps() == 5);
}

TEST_CASE("the gradient factor multiplies every gradient") {
  const std::vector<Slice> first = two_slices(), second = two_slices();
  AdamW a(first, some_spec()), b(second, some_spec());
  for (const float gradient : {1.0F, -3.0F}) {
    a.step(gradients_of(gradient), 0.1, 0.25);
    b.step(gradients_of(gradient / 4), 0.1);
    CHECK(at::allclose(first[0].value, second[0].value, 1e-6));
  }
}

TEST_CASE("a missing gradient is an error that changes nothing") {
  const std::vector<Slice> slices = two_slices();
  AdamW optimizer(slices, some_spec());
  CHECK_THROWS_WITH_AS(optimizer.step({at::full({2, 3}, 1.0F), {}}, 0.1), "parameter 'bias' has no gradient",
                       std::logic_error);
  CHECK(optimizer.steps() == 0);
  CHECK(at::equal(slices[0].value, at::full({2, 3}, 0.5F)));
}

TEST_CASE("float64 is stepped in float64, the gradient factor included") {
  std::vector<Slice> slices{{"matrix", {1}, 0, true, at::full({1}, 0.5, at::kDouble)}};
  AdamW optimizer(slices, some_spec());
  Element matrix{0.5};
  for (int count = 1; count <= 5; ++count) {
    optimizer.step({at::full({1}, 0.9 * count - 2, at::kDouble)}, 0.01, 1 / 3.0);
    matrix.step((0.9 * count - 2) / 3, 0.01, 0.1, count);
    CHECK(slices[0].value.item<double>() == doctest::Approx(matrix.value).epsilon(1e-13));
  }
}

TEST_CASE("an optimizer that is saved and loaded goes on with the same bits") {
  const std::vector<Slice> first = two_slices(), second = two_slices();
  AdamW a(first, some_spec()), b(second, some_spec());
  a.step(gradients_of(0.7F), 0.1);
  Memory memory;
  a.save(memory);
  a.save_step(memory);
  CHECK(memory.names() == std::vector<std::string>{"bias", "matrix", "optimizer.exp_avg.bias",
                                                   "optimizer.exp_avg.matrix", "optimizer.exp_avg_sq.bias",
                                                   "optimizer.exp_avg_sq.matrix", "optimizer.step"});
  b.load(memory);
  a.step(gradients_of(-0.2F), 0.1);
  b.step(gradients_of(-0.2F), 0.1);
  CHECK(b.steps() == 2);
  for (std::size_t i = 0; i < 2; ++i) CHECK(at::equal(first[i].value, second[i].value));
}

TEST_CASE("optimizer state of another shape is refused") {
  const std::vector<Slice> slices = two_slices();
  AdamW optimizer(slices, some_spec());
  Memory memory;
  optimizer.save(memory);
  optimizer.save_step(memory);
  memory.add("optimizer.exp_avg_sq.bias", at::zeros({4}));
  CHECK_THROWS_WITH_AS(optimizer.load(memory),
                       "tensor 'optimizer.exp_avg_sq.bias' is [4] in the checkpoint and [3] in the model",
                       CheckpointError);
}

TEST_CASE("weights without optimizer state are loaded as weights to start from") {
  const std::vector<Slice> slices = two_slices();
  AdamW optimizer(slices, some_spec());
  Memory memory;
  memory.add("matrix", at::full({2, 3}, 3.0F));
  memory.add("bias", at::full({3}, 4.0F));
  optimizer.load(memory);
  CHECK(at::equal(slices[0].value, at::full({2, 3}, 3.0F)));
  CHECK(optimizer.steps() == 0);
}

TEST_CASE("the squared norm is over all gradients together") {
  std::vector<at::Tensor> gradients = gradients_of(2);
  gradients.emplace_back();
  CHECK(squared_norm(gradients) == doctest::Approx(36));  // nine elements of 2
  gradients[1][1] = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(squared_norm(gradients)));
}

TEST_CASE("the clip factor brings a norm down to the limit and never up") {
  CHECK(clip_factor(4, 1) == 0.25);
  CHECK(clip_factor(1, 1) == 1);
  CHECK(clip_factor(0.5, 1) == 1);
  CHECK(clip_factor(4, 0) == 1);
  CHECK(clip_factor(0, 1) == 1);
}

}  // namespace saturn::optimizer_test
