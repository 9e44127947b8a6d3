// SPDX-License-Identifier: Apache-2.0
#include "train/optimizer.h"

#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <cmath>
#include <fmt/format.h>
#include <stdexcept>

namespace saturn {
namespace {

constexpr const char* kStepName = "optimizer.step";

}  // namespace

AdamW::AdamW(std::vector<Slice> slices, const OptimizerSpec& spec, const MakeZeros& make_zeros)
    : spec_(spec), slices_(std::move(slices)) {
  const auto zeros = [&](const at::Tensor& like) {
    return make_zeros ? make_zeros(like) : at::zeros_like(like);
  };
  for (const Slice& slice : slices_) states_.push_back({zeros(slice.value), zeros(slice.value)});
  add_group(true, spec.weight_decay);
  add_group(false, 0);
}

void AdamW::add_group(bool decay, double weight_decay) {
  Group group{weight_decay, {}, {}, {}, {}};
  for (std::size_t i = 0; i < slices_.size(); ++i) {
    if (slices_[i].decay != decay) continue;
    group.slices.push_back(i);
    group.values.push_back(slices_[i].value.detach());  // the same memory; updates are no part of a graph
    group.exp_avg.push_back(states_[i].exp_avg);
    group.exp_avg_sq.push_back(states_[i].exp_avg_sq);
  }
  if (!group.slices.empty()) groups_.push_back(std::move(group));
}

void AdamW::step(const std::vector<at::Tensor>& gradients, double learning_rate, double gradient_factor) {
  for (std::size_t i = 0; i < slices_.size(); ++i) {  // before the first update: an error changes nothing
    if (i >= gradients.size() || !gradients[i].defined())
      throw std::logic_error(fmt::format("parameter '{}' has no gradient", slices_[i].name));
  }
  ++steps_;
  for (Group& group : groups_) update(group, gradients, learning_rate, gradient_factor);
}

void AdamW::update(Group& group, const std::vector<at::Tensor>& all, double learning_rate,
                   double gradient_factor) {
  std::vector<at::Tensor> gradients;
  for (const std::size_t slice : group.slices) gradients.push_back(all[slice]);
  std::optional<at::Tensor> divisor;
  const at::Tensor& first = group.values.front();
  if (gradient_factor != 1 && first.scalar_type() == at::kDouble) {
    for (at::Tensor& gradient : gradients) gradient.mul_(gradient_factor);  // the kernel's divisor is float32
  } else if (gradient_factor != 1) {
    divisor = at::full({}, 1 / gradient_factor, first.options().dtype(at::kFloat));
  }
  const at::Tensor count = at::full({}, static_cast<double>(steps_), first.options().dtype(at::kFloat));
  const std::vector<at::Tensor> counts(group.values.size(), count);
  at::_fused_adamw_(group.values, gradients, group.exp_avg, group.exp_avg_sq, {}, counts, learning_rate,
                    spec_.beta1, spec_.beta2, group.weight_decay, spec_.epsilon, false, false, divisor);
}

std::vector<Slice> AdamW::parts_of(std::size_t slice) const {
  const auto named = [&](const std::string& prefix, const at::Tensor& value) {
    Slice part = slices_[slice];
    part.name = prefix + part.name;
    part.value = value;
    return part;
  };
  return {slices_[slice], named("optimizer.exp_avg.", states_[slice].exp_avg),
          named("optimizer.exp_avg_sq.", states_[slice].exp_avg_sq)};
}

void AdamW::save(CheckpointWriter& writer, std::size_t slice) const {
  save_slices(parts_of(slice), writer);
}

void AdamW::save(CheckpointWriter& writer) const {
  for (std::size_t i = 0; i < slices_.size(); ++i) save(writer, i);
}

void AdamW::save_step(CheckpointWriter& writer) const {
  writer.add(kStepName, at::full({}, steps_, at::kLong));
}

void AdamW::load(const CheckpointReader& reader) {
  if (!reader.has(kStepName)) return load_slices(slices_, reader);
  for (std::size_t i = 0; i < slices_.size(); ++i) load_slices(parts_of(i), reader);
  steps_ = reader.tensor(kStepName).item<std::int64_t>();
}

double squared_norm(const std::vector<at::Tensor>& gradients) {
  std::vector<at::Tensor> defined;
  for (const at::Tensor& gradient : gradients)
    if (gradient.defined() && gradient.numel() > 0) defined.push_back(gradient);
  if (defined.empty()) return 0;
  const at::Tensor norms = at::stack(at::_foreach_norm(defined)).to(at::kDouble);
  return norms.square().sum().item<double>();  // one wait for the device
}

double clip_factor(double norm, double clip) {
  return clip > 0 && norm > clip ? clip / norm : 1;
}

}  // namespace saturn
