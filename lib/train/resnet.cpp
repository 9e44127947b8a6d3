// SPDX-License-Identifier: Apache-2.0
#include "train/resnet.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/add.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/max_pool2d.h>
#include <cmath>
#include <fmt/format.h>

#include "train/linear.h"
#include "train/parameters.h"

namespace saturn {
namespace {

constexpr double kNormEpsilon = 1e-5;
constexpr double kMomentum = 0.1;
constexpr double kHeadDeviation = 0.01;
constexpr std::int64_t kExpansion = 4;  // a bottleneck's output against its inner width

/// Normal by the outputs that a weight reaches (He et al., arXiv 1502.01852).
Parameter convolution(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t kernel) {
  const double deviation = std::sqrt(2.0 / static_cast<double>(kernel * kernel * out));
  return {name + ".weight", {out, in, kernel, kernel}, Start::normal(deviation), true, {}};
}

std::vector<Parameter> statistics(const std::string& name, std::int64_t width) {
  return {{name + ".running_mean", {width}, Start::zeros(), false, {}},
          {name + ".running_var", {width}, Start::ones(), false, {}}};
}

/// A block of convolutions with a batch norm each: parameters weight, scale and shift of each in turn.
class ConvolutionBlock : public Block {
 public:
  using Block::Block;

 protected:
  /// Convolution number `index` and its norm.
  at::Tensor convolve(std::size_t index, const at::Tensor& x, std::int64_t stride, Pass pass) {
    const at::Tensor& weight = at(3 * index);
    const std::int64_t padding = weight.size(-1) / 2;
    return normalize(index, at::conv2d(x, weight, {}, stride, padding), pass);
  }

 private:
  at::Tensor normalize(std::size_t index, const at::Tensor& x, Pass pass) {
    const at::Tensor& mean = buffers()[2 * index].tensor;
    const at::Tensor& variance = buffers()[2 * index + 1].tensor;
    // The averages may be of a finer type than the weights: bfloat16 would lose a tenth of a change.
    const at::Tensor scale = at(3 * index + 1).to(mean.scalar_type());
    const at::Tensor shift = at(3 * index + 2).to(mean.scalar_type());
    const bool batch = pass != Pass::kEvaluate;
    if (pass == Pass::kRecompute)
      return at::batch_norm(x, scale, shift, {}, {}, batch, kMomentum, kNormEpsilon, true);
    return at::batch_norm(x, scale, shift, mean, variance, batch, kMomentum, kNormEpsilon, true);
  }
};

class Stem final : public ConvolutionBlock {
 public:
  using ConvolutionBlock::ConvolutionBlock;
  at::Tensor forward(const at::Tensor& images, Pass pass) override {
    return at::max_pool2d(convolve(0, images, 2, pass).relu(), {3, 3}, {2, 2}, {1, 1});
  }
};

class Bottleneck final : public ConvolutionBlock {
 public:
  Bottleneck(std::vector<Parameter> parameters, std::vector<Parameter> buffers, std::int64_t stride)
      : ConvolutionBlock(std::move(parameters), std::move(buffers)), stride_(stride) {}

  at::Tensor forward(const at::Tensor& input, Pass pass) override {
    at::Tensor x = convolve(0, input, 1, pass).relu();
    x = convolve(1, x, stride_, pass).relu();
    x = convolve(2, x, 1, pass);
    const bool changes_shape = parameters().size() > 9;
    return at::add(x, changes_shape ? convolve(3, input, stride_, pass) : input).relu();
  }

 private:
  std::int64_t stride_;
};

class Head final : public Block {
 public:
  using Block::Block;
  at::Tensor forward(const at::Tensor& x, Pass) override {
    return linear_transposed(x.mean({2, 3}), at(0), at(1));
  }
};

std::unique_ptr<Block> make_stem(const ResnetModel& model) {
  return std::make_unique<Stem>(
      joined({{convolution("conv1", model.channels, model.width, 7)}, norm_parameters("bn1", model.width)}),
      statistics("bn1", model.width));
}

/// Block `number` of stage `stage`, whose input has `in` channels.
std::unique_ptr<Block> make_bottleneck(const ResnetModel& model, std::size_t stage, std::int64_t number,
                                       std::int64_t in) {
  const std::string name = fmt::format("layer{}.{}", stage + 1, number);
  const std::int64_t inner = model.width << stage, out = kExpansion * inner;
  std::vector<Parameter> parameters = joined({{convolution(name + ".conv1", in, inner, 1)},
                                              norm_parameters(name + ".bn1", inner),
                                              {convolution(name + ".conv2", inner, inner, 3)},
                                              norm_parameters(name + ".bn2", inner),
                                              {convolution(name + ".conv3", inner, out, 1)},
                                              norm_parameters(name + ".bn3", out)});
  std::vector<Parameter> buffers = joined(
      {statistics(name + ".bn1", inner), statistics(name + ".bn2", inner), statistics(name + ".bn3", out)});
  const std::int64_t stride = number == 0 && stage > 0 ? 2 : 1;
  if (in != out || stride != 1) {
    const std::string shortcut = name + ".downsample";
    parameters = joined(
        {parameters, {convolution(shortcut + ".0", in, out, 1)}, norm_parameters(shortcut + ".1", out)});
    buffers = joined({buffers, statistics(shortcut + ".1", out)});
  }
  return std::make_unique<Bottleneck>(std::move(parameters), std::move(buffers), stride);
}

}  // namespace

std::vector<std::unique_ptr<Block>> make_resnet_blocks(const ResnetModel& model) {
  std::vector<std::unique_ptr<Block>> blocks;
  blocks.push_back(make_stem(model));
  std::int64_t width = model.width;
  for (std::size_t stage = 0; stage < model.stages.size(); ++stage) {
    for (std::int64_t number = 0; number < model.stages[stage]; ++number) {
      blocks.push_back(make_bottleneck(model, stage, number, width));
      width = kExpansion * (model.width << stage);
    }
  }
  blocks.push_back(
      std::make_unique<Head>(linear_parameters("fc", width, model.classes, kHeadDeviation, Layout::kOutIn)));
  return blocks;
}

}  // namespace saturn
