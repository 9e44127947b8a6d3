// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "train/model.h"

namespace saturn {

/// Slots of the layers that built-in models are made of, and the layer norm that several have.

/// "NAME.weight" (ones) and "NAME.bias" (zeros) of a layer norm or a batch norm; they do not decay.
std::vector<Parameter> norm_parameters(const std::string& name, std::int64_t width);

/// Layer norm over the last dimension of `x`, with this weight and bias; differentiable.
at::Tensor normalized(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double epsilon);

/// The order of a weight matrix's dimensions.
enum class Layout {
  kInOut,  ///< GPT-2's
  kOutIn,  ///< torch.nn.Linear's
};

/// "NAME.weight", normal with this deviation, and "NAME.bias" (zeros).
std::vector<Parameter> linear_parameters(const std::string& name, std::int64_t in, std::int64_t out,
                                         double deviation, Layout layout);

std::vector<Parameter> joined(std::initializer_list<std::vector<Parameter>> parts);

}  // namespace saturn
