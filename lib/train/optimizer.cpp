// SPDX-License-Identifier: Apache-2.0
#include "train/optimizer.h"

#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros_like.h>
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <sstream>
#include <stdexcept>

namespace saturn {
namespace {

constexpr const char* kStepName = "optimizer.step";

const at::Tensor& gradient_of(const Parameter& parameter) {
  const at::Tensor& gradient = parameter.tensor.grad();
  if (!gradient.defined())
    throw std::logic_error(fmt::format("parameter '{}' has no gradient", parameter.name));
  return gradient;
}

std::string shape_text(const at::Tensor& tensor) {
  std::ostringstream text;
  text << tensor.sizes();
  return text.str();
}

void copy_state(const CheckpointReader& reader, const std::string& name, const at::Tensor& to) {
  const at::Tensor from = reader.tensor(name);
  if (from.sizes() != to.sizes())
    throw CheckpointError(fmt::format("tensor '{}' is {} in the checkpoint and {} in the model", name,
                                      shape_text(from), shape_text(to)));
  to.copy_(from);
}

}  // namespace

AdamW::AdamW(std::vector<Parameter> parameters, const OptimizerSpec& spec) : spec_(spec) {
  const auto middle = std::stable_partition(parameters.begin(), parameters.end(),
                                            [](const Parameter& parameter) { return parameter.decay; });
  add_group({parameters.begin(), middle}, spec.weight_decay);
  add_group({middle, parameters.end()}, 0);
}

void AdamW::add_group(std::vector<Parameter> parameters, double weight_decay) {
  if (parameters.empty()) return;
  Group group{weight_decay, std::move(parameters), {}, {}, {}};
  for (const Parameter& parameter : group.parameters) {
    group.tensors.push_back(parameter.tensor.detach());  // the same memory; updates are no part of a graph
    group.exp_avg.push_back(at::zeros_like(group.tensors.back(), at::kFloat));
    group.exp_avg_sq.push_back(at::zeros_like(group.tensors.back(), at::kFloat));
  }
  groups_.push_back(std::move(group));
}

void AdamW::step(double learning_rate, double gradient_factor) {
  std::optional<at::Tensor> divisor;
  if (gradient_factor != 1) divisor = at::full({}, 1 / gradient_factor, at::kFloat);
  std::vector<std::vector<at::Tensor>> gradients;  // all before the first update: an error changes nothing
  for (const Group& group : groups_) {
    gradients.emplace_back();
    for (const Parameter& parameter : group.parameters) gradients.back().push_back(gradient_of(parameter));
  }
  ++steps_;
  for (std::size_t i = 0; i < groups_.size(); ++i) update(groups_[i], gradients[i], learning_rate, divisor);
}

void AdamW::update(Group& group, const std::vector<at::Tensor>& gradients, double learning_rate,
                   const std::optional<at::Tensor>& divisor) {
  const at::Tensor count = at::full({}, static_cast<double>(steps_), at::kFloat);
  const std::vector<at::Tensor> counts(group.tensors.size(), count);
  at::_fused_adamw_(group.tensors, gradients, group.exp_avg, group.exp_avg_sq, {}, counts, learning_rate,
                    spec_.beta1, spec_.beta2, group.weight_decay, spec_.epsilon, false, false, divisor);
}

void AdamW::clear_gradients() {
  for (const Group& group : groups_)
    for (const Parameter& parameter : group.parameters) parameter.tensor.mutable_grad().reset();
}

void AdamW::save(CheckpointWriter& writer) const {
  writer.add(kStepName, at::full({}, steps_, at::kLong));
  for (const Group& group : groups_)
    for (std::size_t i = 0; i < group.parameters.size(); ++i) {
      writer.add("optimizer.exp_avg." + group.parameters[i].name, group.exp_avg[i]);
      writer.add("optimizer.exp_avg_sq." + group.parameters[i].name, group.exp_avg_sq[i]);
    }
}

void AdamW::load(const CheckpointReader& reader) {
  for (const Group& group : groups_)
    for (std::size_t i = 0; i < group.parameters.size(); ++i) {
      copy_state(reader, "optimizer.exp_avg." + group.parameters[i].name, group.exp_avg[i]);
      copy_state(reader, "optimizer.exp_avg_sq." + group.parameters[i].name, group.exp_avg_sq[i]);
    }
  steps_ = reader.tensor(kStepName).item<std::int64_t>();
}

double gradient_norm(const std::vector<Parameter>& parameters) {
  double sum = 0;
  for (const Parameter& parameter : parameters) {
    const double norm = at::linalg_vector_norm(gradient_of(parameter)).item<double>();
    sum += norm * norm;
  }
  return std::sqrt(sum);
}

double clip_factor(double norm, double clip) {
  return clip > 0 && norm > clip ? clip / norm : 1;
}

}  // namespace saturn
