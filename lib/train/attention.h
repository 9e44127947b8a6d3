// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Tensor.h>
#include <cstdint>

namespace saturn {

/// Causal self-attention with gradients. qkv: [batch, context, 3 width], queries, keys and values side by
/// side, each of `heads` heads -> [batch, context, width].
at::Tensor causal_attention(const at::Tensor& qkv, std::int64_t heads);

}  // namespace saturn
