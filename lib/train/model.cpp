// SPDX-License-Identifier: Apache-2.0
#include "train/model.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/normal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <stdexcept>

#include "train/gpt.h"
#include "train/gptj.h"
#include "train/mlp.h"
#include "train/model_plugin.h"
#include "train/resnet.h"
#include "train/vit.h"

namespace saturn {
namespace {

/// Every parameter has a generator of its own, so its values do not depend on the parameters before it.
std::uint64_t parameter_seed(std::uint64_t seed, const std::string& name) {
  std::uint64_t x = seed * 0x9e3779b97f4a7c15ULL + 1;
  for (const char letter : name) {
    x ^= static_cast<unsigned char>(letter);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    x ^= x >> 31;
  }
  return x;
}

/// Each name's first parameter.
std::vector<Parameter> each_once(const Model& model,
                                 const std::function<const std::vector<Parameter>&(const Block&)>& part) {
  std::vector<Parameter> all;
  std::set<std::string> names;
  for (const std::unique_ptr<Block>& block : model.blocks)
    for (const Parameter& parameter : part(*block))
      if (names.insert(parameter.name).second) all.push_back(parameter);
  return all;
}

}  // namespace

std::int64_t Parameter::elements() const {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::vector<Parameter> Model::parameters() const {
  return each_once(
      *this, [](const Block& block) -> const auto& { return block.parameters(); });
}

std::vector<Parameter> Model::buffers() const {
  return each_once(
      *this, [](const Block& block) -> const auto& { return block.buffers(); });
}

std::vector<Parameter> Model::tensors() const {
  std::vector<Parameter> all = parameters();
  for (Parameter& buffer : buffers()) all.push_back(std::move(buffer));
  return all;
}

at::Tensor Model::forward(const at::Tensor& inputs, Pass pass) const {
  at::Tensor activation = inputs;
  for (const std::unique_ptr<Block>& block : blocks) activation = block->forward(activation, pass);
  return activation;
}

Model build_model(const ModelSpec& spec) {
  if (spec.kind == "gpt") return {make_gpt_blocks(spec.gpt)};
  if (spec.kind == "gptj") return {make_gptj_blocks(spec.gptj)};
  if (spec.kind == "mlp") return {make_mlp_blocks(spec.mlp)};
  if (spec.kind == "vit") return {make_vit_blocks(spec.vit)};
  if (spec.kind == "resnet") return {make_resnet_blocks(spec.resnet)};
  if (spec.kind == "library") return {make_plugin_blocks(spec.plugin)};
  throw std::invalid_argument(fmt::format("there is no model kind '{}'", spec.kind));
}

at::Tensor initial_value(const Parameter& parameter, Seed seed) {
  if (!seed) return at::empty(parameter.shape);
  switch (parameter.start.kind) {
    case Start::Kind::kZeros:
      return at::zeros(parameter.shape);
    case Start::Kind::kOnes:
      return at::ones(parameter.shape);
    case Start::Kind::kNormal:
      break;
  }
  const auto generator = at::detail::createCPUGenerator(parameter_seed(*seed, parameter.name));
  return at::empty(parameter.shape).normal_(0, parameter.start.deviation, generator);
}

void materialize(std::span<const std::unique_ptr<Block>> blocks, Seed seed,
                 const at::TensorOptions& options) {
  std::map<std::string, at::Tensor> tensors;
  const auto tensor_of = [&](const Parameter& parameter, const at::TensorOptions& as) -> at::Tensor& {
    at::Tensor& tensor = tensors[parameter.name];
    if (!tensor.defined()) tensor = initial_value(parameter, seed).to(as);
    return tensor;
  };
  const bool coarse = c10::isReducedFloatingType(c10::typeMetaToScalarType(options.dtype()));
  for (const std::unique_ptr<Block>& block : blocks) {
    for (Parameter& parameter : block->parameters())
      parameter.tensor = tensor_of(parameter, options).set_requires_grad(true);
    for (Parameter& buffer : block->buffers())
      buffer.tensor = tensor_of(buffer, coarse ? options.dtype(at::kFloat) : options);
  }
}

Model build_model(const ModelSpec& spec, std::uint64_t seed) {
  Model model = build_model(spec);
  materialize(model.blocks, seed, at::TensorOptions().dtype(at::kFloat));
  return model;
}

std::string model_signature(const ModelSpec& spec) {
  return describe(spec);
}

std::int64_t parameter_count(const ModelSpec& spec) {
  std::int64_t sum = 0;
  for (const Parameter& parameter : build_model(spec).parameters()) sum += parameter.elements();
  return sum;
}

}  // namespace saturn
