// SPDX-License-Identifier: Apache-2.0
#include "train/weights.h"

#include <ATen/ops/_foreach_copy.h>
#include <set>
#include <string>

namespace saturn {

Weights::Weights(std::span<const std::unique_ptr<Block>> blocks, Precision precision, at::Device device,
                 Seed seed)
    : precision_(precision) {
  materialize(blocks, seed, at::TensorOptions().dtype(precision.compute).device(device));
  std::set<std::string> names;
  for (const auto& block : blocks) {
    for (const Parameter& parameter : block->parameters()) {
      if (!names.insert(parameter.name).second) continue;  // tied
      parameters_.push_back(parameter);
      const at::Tensor master =
          precision.mixed() ? initial_value(parameter, seed).to(device, precision.master) : parameter.tensor;
      masters_.push_back(whole_slice(parameter, master));
    }
    for (const Parameter& buffer : block->buffers()) buffers_.push_back(whole_slice(buffer, buffer.tensor));
  }
}

void Weights::refresh() {
  if (!precision_.mixed() || parameters_.empty()) return;
  std::vector<at::Tensor> to, from;
  for (const Parameter& parameter : parameters_) to.push_back(parameter.tensor.detach());
  for (const Slice& master : masters_) from.push_back(master.value);
  at::_foreach_copy_(to, from);
}

std::vector<at::Tensor> Weights::gradients() const {
  std::vector<at::Tensor> gradients;
  for (const Parameter& parameter : parameters_) gradients.push_back(parameter.tensor.grad());
  return gradients;
}

void Weights::clear_gradients() {
  for (const Parameter& parameter : parameters_) parameter.tensor.mutable_grad().reset();
}

}  // namespace saturn
