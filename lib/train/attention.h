// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Tensor.h>
#include <cstdint>

namespace saturn {

/// What a token sees.
enum class Sight {
  kBackward,  ///< itself and the tokens before it
  kAll,
};

/// Self-attention with gradients. qkv: [batch, context, 3 width], queries, keys and values side by side, each
/// of `heads` heads -> [batch, context, width].
at::Tensor self_attention(const at::Tensor& qkv, std::int64_t heads, Sight sight);

/// The same of queries, keys and values of their own: [batch, heads, context, width / heads] each.
at::Tensor self_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                          Sight sight);

}  // namespace saturn
