// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Tensor.h>

#include "train/communicator.h"
#include "workload/task.h"

namespace saturn {

/// The number formats of a training: `master` of the weights that the optimizer updates, its state and the
/// gradients that are added up; `compute` of the weights and activations in forward and backward.
struct Precision {
  at::ScalarType master = at::kFloat;
  at::ScalarType compute = at::kFloat;
  bool mixed() const { return master != compute; }
};

/// fp32, bf16 (float32 masters) or fp64.
inline Precision precision_of(const TaskSpec& task) {
  if (task.precision == "bf16") return {at::kFloat, at::kBFloat16};
  if (task.precision == "fp64") return {at::kDouble, at::kDouble};
  return {};
}

/// The whole tensor, contiguous, as collectives take it. Not owned.
inline Buffer buffer_of(const at::Tensor& tensor) {
  const auto dtype = tensor.scalar_type() == at::kDouble     ? Dtype::kFloat64
                     : tensor.scalar_type() == at::kBFloat16 ? Dtype::kBFloat16
                     : tensor.scalar_type() == at::kLong     ? Dtype::kInt64
                                                             : Dtype::kFloat32;
  return {tensor.data_ptr(), static_cast<std::size_t>(tensor.numel()), dtype};
}

}  // namespace saturn
