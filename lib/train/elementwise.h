// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace saturn {

/// Loops over float arrays that dominate a training step beside its matrix products, vectorised for the CPU
/// they run on. Torch's own tanh-gelu takes ten times as long. Arrays must not overlap unless they are equal.

/// gelu, tanh form: out[i] = x[i] sigmoid(2 u), u = sqrt(2/pi) (x[i] + 0.044715 x[i]^3).
void gelu_forward(const float* x, float* out, std::int64_t count);

/// gradient[i] *= gelu'(x[i]), and activation[i] = gelu(x[i]) again, so that the forward pass need not keep
/// it.
void gelu_backward(const float* x, float* gradient, float* activation, std::int64_t count);

/// log(sum(exp(row))) of one row of logits.
float log_sum_exp(const float* row, std::int64_t count);

/// out[i] = factor exp(row[i] - log_sum): the softmax of a row whose log_sum_exp is known.
void scaled_softmax(const float* row, float log_sum, float factor, float* out, std::int64_t count);

}  // namespace saturn
