// SPDX-License-Identifier: Apache-2.0
#include "train/resnet.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include "model_checks.h"

namespace saturn::resnet_test {
using namespace saturn::test;

namespace {

ModelSpec small() {
  ModelSpec spec;
  spec.kind = "resnet";
  spec.resnet = {16, 2, {2, 1}, 2, 3};
  return spec;
}

Example samples() {
  return some_samples(3, {2, 16, 16}, 3);
}

/// The layers written out: convolutions as sums over the kernel, batch norm by its own mean and variance.
class Formula {
 public:
  explicit Formula(const Model& model) : weights_(by_name(model)) {}

  /// `running`: by the running statistics.
  at::Tensor logits(const at::Tensor& images, bool running) const {
    at::Tensor x = pooled(norm(convolved(images, "conv1", 2), "bn1", running).relu());
    x = bottleneck(x, "layer1.0", 1, running);
    x = bottleneck(x, "layer1.1", 1, running);
    x = bottleneck(x, "layer2.0", 2, running);
    return at::matmul(x.mean({2, 3}), w("fc.weight").t()) + w("fc.bias");
  }

 private:
  const at::Tensor& w(const std::string& name) const { return weights_.at(name); }

  at::Tensor bottleneck(const at::Tensor& input, const std::string& name, std::int64_t stride,
                        bool running) const {
    at::Tensor x = norm(convolved(input, name + ".conv1", 1), name + ".bn1", running).relu();
    x = norm(convolved(x, name + ".conv2", stride), name + ".bn2", running).relu();
    x = norm(convolved(x, name + ".conv3", 1), name + ".bn3", running);
    if (!weights_.contains(name + ".downsample.0.weight")) return (x + input).relu();
    return (x + norm(convolved(input, name + ".downsample.0", stride), name + ".downsample.1", running))
        .relu();
  }

  static at::Tensor padded(const at::Tensor& x, std::int64_t by, double value) {
    at::Tensor wide = at::zeros({x.size(0), x.size(1), x.size(2) + 2 * by, x.size(3) + 2 * by}, x.options());
    wide.fill_(value);
    wide.narrow(2, by, x.size(2)).narrow(3, by, x.size(3)).copy_(x);
    return wide;
  }

  /// What place (dy, dx) of the kernel sees, over all outputs.
  static at::Tensor seen(const at::Tensor& wide, std::int64_t dy, std::int64_t dx, std::int64_t kernel,
                         std::int64_t stride) {
    return wide.slice(2, dy, wide.size(2) - kernel + 1 + dy, stride)
        .slice(3, dx, wide.size(3) - kernel + 1 + dx, stride);
  }

  at::Tensor convolved(const at::Tensor& x, const std::string& name, std::int64_t stride) const {
    const at::Tensor& weight = w(name + ".weight");
    const std::int64_t kernel = weight.size(2);
    const at::Tensor wide = padded(x, kernel / 2, 0);
    at::Tensor sum;
    for (std::int64_t dy = 0; dy < kernel; ++dy)
      for (std::int64_t dx = 0; dx < kernel; ++dx) {
        const at::Tensor term =
            at::matmul(weight.select(3, dx).select(2, dy), seen(wide, dy, dx, kernel, stride).flatten(2))
                .unflatten(2, seen(wide, dy, dx, kernel, stride).sizes().slice(2));
        sum = sum.defined() ? sum + term : term;
      }
    return sum;
  }

  static at::Tensor pooled(const at::Tensor& x) {
    const at::Tensor wide = padded(x, 1, -1e300);
    at::Tensor most;
    for (std::int64_t dy = 0; dy < 3; ++dy)
      for (std::int64_t dx = 0; dx < 3; ++dx) {
        const at::Tensor here = seen(wide, dy, dx, 3, 2);
        most = most.defined() ? at::where(here.gt(most), here, most) : here;
      }
    return most;
  }

  at::Tensor norm(const at::Tensor& x, const std::string& name, bool running) const {
    const auto shaped = [](const at::Tensor& numbers) { return numbers.view({1, -1, 1, 1}); };
    const at::Tensor mean = running ? shaped(w(name + ".running_mean")) : x.mean({0, 2, 3}, true);
    const at::Tensor centred = x - mean;
    const at::Tensor variance =
        running ? shaped(w(name + ".running_var")) : (centred * centred).mean({0, 2, 3}, true);
    return centred / (variance + 1e-5).sqrt() * shaped(w(name + ".weight")) + shaped(w(name + ".bias"));
  }

  std::map<std::string, at::Tensor> weights_;
};

}  // namespace

TEST_CASE("resnet: names and shapes are torchvision's") {
  ModelSpec spec = small();
  spec.resnet.stages = {1};
  CHECK(names_and_shapes(build_model(spec)) ==
        "conv1.weight 2 2 7 7 decays\n"
        "bn1.weight 2\n"
        "bn1.bias 2\n"
        "layer1.0.conv1.weight 2 2 1 1 decays\n"
        "layer1.0.bn1.weight 2\n"
        "layer1.0.bn1.bias 2\n"
        "layer1.0.conv2.weight 2 2 3 3 decays\n"
        "layer1.0.bn2.weight 2\n"
        "layer1.0.bn2.bias 2\n"
        "layer1.0.conv3.weight 8 2 1 1 decays\n"
        "layer1.0.bn3.weight 8\n"
        "layer1.0.bn3.bias 8\n"
        "layer1.0.downsample.0.weight 8 2 1 1 decays\n"
        "layer1.0.downsample.1.weight 8\n"
        "layer1.0.downsample.1.bias 8\n"
        "fc.weight 3 8 decays\n"
        "fc.bias 3\n"
        "bn1.running_mean 2\n"
        "bn1.running_var 2\n"
        "layer1.0.bn1.running_mean 2\n"
        "layer1.0.bn1.running_var 2\n"
        "layer1.0.bn2.running_mean 2\n"
        "layer1.0.bn2.running_var 2\n"
        "layer1.0.bn3.running_mean 8\n"
        "layer1.0.bn3.running_var 8\n"
        "layer1.0.downsample.1.running_mean 8\n"
        "layer1.0.downsample.1.running_var 8\n");
}

TEST_CASE("resnet: the forward pass agrees with the formulas written out, in training and in evaluation") {
  const Model model = in_double(small(), 1);
  const at::Tensor images = samples().inputs;
  const at::Tensor trained = model.forward(images).detach();
  CHECK(at::allclose(trained, Formula(model).logits(images, false), 1e-9, 1e-9));
  const at::Tensor evaluated = model.forward(images, Pass::kEvaluate).detach();
  CHECK(at::allclose(evaluated, Formula(model).logits(images, true), 1e-9, 1e-9));
  CHECK_FALSE(at::allclose(trained, evaluated));
}

TEST_CASE("resnet: every gradient agrees with finite differences") {
  check_gradients(in_double(small(), 1), samples());
}

TEST_CASE("resnet: float32 and bfloat16 have the gradients of float64") {
  ModelSpec spec = small();
  spec.resnet = {32, 3, {1, 1}, 8, 4};
  check_type(spec, some_samples(8, {3, 32, 32}, 4), at::kFloat, 1e-4, 1);
  // Rounding moves numbers over the corners of ReLU and of the maximum.
  check_type(spec, some_samples(8, {3, 32, 32}, 4), at::kBFloat16, 0.5, 1);
}

TEST_CASE("resnet: running statistics move in training alone, by a tenth, and are float32 at least") {
  Model model = build_model(small());
  materialize(model.blocks, 3, at::TensorOptions().dtype(at::kBFloat16));
  for (const Parameter& buffer : model.buffers()) CHECK((buffer.tensor.scalar_type() == at::kFloat));
  materialize(model.blocks, 3, at::TensorOptions().dtype(at::kDouble));
  const at::Tensor images = samples().inputs;
  const auto clones = [&] {
    std::map<std::string, at::Tensor> all;
    for (const Parameter& buffer : model.buffers()) all[buffer.name] = buffer.tensor.clone();
    return all;
  };
  const auto before = clones();
  model.forward(images, Pass::kEvaluate);
  const at::Tensor again = model.forward(images, Pass::kRecompute).detach();
  for (const auto& [name, tensor] : clones()) CHECK(at::equal(tensor, before.at(name)));
  const at::Tensor first = model.forward(images, Pass::kTrain).detach();
  CHECK(at::equal(first, again));
  const auto after = clones();
  for (const auto& [name, tensor] : after) {
    CAPTURE(name);
    CHECK_FALSE(at::equal(tensor, before.at(name)));
  }
  // The stem's: 0.9 of what was there (0) and 0.1 of the batch's mean.
  const at::Tensor weight = by_name(model).at("conv1.weight");
  const at::Tensor mean = at::conv2d(images, weight, {}, 2, 3).mean({0, 2, 3});
  CHECK(at::allclose(after.at("bn1.running_mean"), mean * 0.1, 1e-9, 1e-12));
}

}  // namespace saturn::resnet_test
