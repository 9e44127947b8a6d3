// SPDX-License-Identifier: Apache-2.0
#include "train/attention.h"

#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <array>
#include <torch/csrc/autograd/custom_function.h>

namespace saturn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Views of queries, keys, values: [batch, heads, context, width / heads] each.
std::array<at::Tensor, 3> parts_of(const at::Tensor& qkv, std::int64_t heads) {
  const at::Tensor parts =
      qkv.view({qkv.size(0), qkv.size(1), 3, heads, qkv.size(2) / 3 / heads}).permute({2, 0, 3, 1, 4});
  return {parts[0], parts[1], parts[2]};
}

at::Tensor joined_heads(const at::Tensor& mixed) {
  return mixed.transpose(1, 2).reshape({mixed.size(0), mixed.size(2), mixed.size(1) * mixed.size(3)});
}

/// Torch's flash attention for the CPU. As a function of its own it puts the three gradients straight into
/// one matrix; the gradients of the views would be copied twice.
struct CpuAttention : torch::autograd::Function<CpuAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& qkv, std::int64_t heads,
                            bool causal) {
    const auto [query, key, value] = parts_of(qkv, heads);
    auto [mixed, log_sums] = at::_scaled_dot_product_flash_attention_for_cpu(query, key, value, 0, causal);
    context->save_for_backward({qkv, mixed, log_sums});
    context->saved_data["heads"] = heads;
    context->saved_data["causal"] = causal;
    return joined_heads(mixed);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const std::int64_t heads = context->saved_data["heads"].toInt();
    const at::Tensor& qkv = saved[0];
    const auto [query, key, value] = parts_of(qkv, heads);
    const at::Tensor gradient =
        gradients[0].reshape({qkv.size(0), qkv.size(1), heads, qkv.size(2) / 3 / heads}).transpose(1, 2);
    const auto [query_gradient, key_gradient, value_gradient] =
        at::_scaled_dot_product_flash_attention_for_cpu_backward(
            gradient, query, key, value, saved[1], saved[2], 0, context->saved_data["causal"].toBool());
    at::Tensor result = at::empty(qkv.sizes(), qkv.options());
    auto to = parts_of(result, heads);
    to[0].copy_(query_gradient);
    to[1].copy_(key_gradient);
    to[2].copy_(value_gradient);
    return {result, {}, {}};
  }
};

}  // namespace

at::Tensor self_attention(const at::Tensor& qkv, std::int64_t heads, Sight sight) {
  if (qkv.is_cpu()) return CpuAttention::apply(qkv, heads, sight == Sight::kBackward);
  const auto [query, key, value] = parts_of(qkv, heads);
  return self_attention(query, key, value, sight);
}

at::Tensor self_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                          Sight sight) {
  return joined_heads(at::scaled_dot_product_attention(query, key, value, {}, 0, sight == Sight::kBackward));
}

}  // namespace saturn
