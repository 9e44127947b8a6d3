// SPDX-License-Identifier: Apache-2.0
#include "train/model.h"

#include <fmt/format.h>
#include <set>
#include <stdexcept>

#include "train/gpt.h"
#include "train/gpt_layout.h"

namespace saturn {
namespace {

void require_known(const ModelSpec& spec) {
  if (spec.kind != "gpt") throw std::invalid_argument(fmt::format("there is no model kind '{}'", spec.kind));
}

}  // namespace

std::vector<Parameter> Model::parameters() const {
  std::vector<Parameter> all;
  std::set<std::string> names;
  for (const std::unique_ptr<Block>& block : blocks)
    for (const Parameter& parameter : block->parameters())
      if (names.insert(parameter.name).second) all.push_back(parameter);
  return all;
}

at::Tensor Model::forward(const at::Tensor& inputs) const {
  at::Tensor activation = inputs;
  for (const std::unique_ptr<Block>& block : blocks) activation = block->forward(activation);
  return activation;
}

Model build_model(const ModelSpec& spec, std::uint64_t seed) {
  require_known(spec);
  return {make_gpt_blocks(spec.gpt, seed)};
}

std::string model_signature(const ModelSpec& spec) {
  require_known(spec);
  return fmt::format("gpt layers={} heads={} width={} context={} vocabulary={}", spec.gpt.layers,
                     spec.gpt.heads, spec.gpt.width, spec.gpt.context, spec.gpt.vocabulary);
}

std::int64_t parameter_count(const ModelSpec& spec) {
  require_known(spec);
  return gpt_parameter_count(spec.gpt);
}

}  // namespace saturn
