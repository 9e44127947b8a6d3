// SPDX-License-Identifier: Apache-2.0
#include "train/mlp.h"

#include <ATen/core/Tensor.h>
#include <cmath>
#include <fmt/format.h>

#include "train/linear.h"
#include "train/parameters.h"

namespace saturn {
namespace {

class Layer final : public Block {
 public:
  Layer(std::vector<Parameter> parameters, bool last) : Block(std::move(parameters)), last_(last) {}

  at::Tensor forward(const at::Tensor& input, Pass) override {
    const at::Tensor x = linear_transposed(input.flatten(1), at(0), at(1));
    return last_ ? x : x.relu();
  }

 private:
  bool last_;
};

}  // namespace

std::vector<std::unique_ptr<Block>> make_mlp_blocks(const MlpModel& model) {
  std::vector<std::unique_ptr<Block>> blocks;
  std::int64_t in = model.inputs;
  for (std::int64_t layer = 0; layer <= model.layers; ++layer) {
    const bool last = layer == model.layers;
    const std::int64_t out = last ? model.classes : model.width;
    const double deviation = std::sqrt((last ? 1.0 : 2.0) / static_cast<double>(in));
    blocks.push_back(std::make_unique<Layer>(
        linear_parameters(fmt::format("layers.{}", layer), in, out, deviation, Layout::kOutIn), last));
    in = out;
  }
  return blocks;
}

}  // namespace saturn
