// SPDX-License-Identifier: Apache-2.0
#include <ATen/Parallel.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/scalar_tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include "train/elementwise.h"
#include "train/model.h"

namespace saturn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kRowsOfAThread = 64;

/// Mean cross-entropy of float32 logits [rows, vocabulary]. Keeps one number a row beside the logits; the
/// backward pass makes the gradient out of the two. (Torch's keeps the log-probabilities and fills the
/// gradient of the loss first: two more matrices of that size.)
struct CrossEntropy : torch::autograd::Function<CrossEntropy> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& logits, const at::Tensor& targets) {
    const std::int64_t rows = logits.size(0), vocabulary = logits.size(1);
    at::Tensor log_sums = at::empty({rows}, logits.options());
    const float* logit = logits.const_data_ptr<float>();
    const std::int64_t* target = targets.const_data_ptr<std::int64_t>();
    float* log_sum = log_sums.mutable_data_ptr<float>();
    at::parallel_for(0, rows, kRowsOfAThread, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row)
        log_sum[row] = log_sum_exp(logit + row * vocabulary, vocabulary);
    });
    // One thread and double precision: the loss does not depend on the number of threads.
    double loss = 0;
    for (std::int64_t row = 0; row < rows; ++row)
      loss += static_cast<double>(log_sum[row]) - logit[row * vocabulary + target[row]];
    context->save_for_backward({logits, targets, log_sums});
    return at::scalar_tensor(loss / static_cast<double>(rows), logits.options());
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const std::int64_t rows = saved[0].size(0), vocabulary = saved[0].size(1);
    at::Tensor result = at::empty_like(saved[0]);
    const float* logit = saved[0].const_data_ptr<float>();
    const std::int64_t* target = saved[1].const_data_ptr<std::int64_t>();
    const float* log_sum = saved[2].const_data_ptr<float>();
    float* out = result.mutable_data_ptr<float>();
    const float factor = gradients[0].item<float>() / static_cast<float>(rows);
    at::parallel_for(0, rows, kRowsOfAThread, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        float* out_row = out + row * vocabulary;
        scaled_softmax(logit + row * vocabulary, log_sum[row], factor, out_row, vocabulary);
        out_row[target[row]] -= factor;
      }
    });
    return {result, {}};
  }
};

}  // namespace

at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets) {
  at::Tensor rows = logits.reshape({-1, logits.size(-1)});
  // A loss of bfloat16 has steps of 1/64 between 2 and 4, and small probabilities would be off by percents.
  if (rows.scalar_type() == at::kBFloat16) rows = rows.to(at::kFloat);
  const at::Tensor flat_targets = targets.reshape({-1});
  if (!rows.is_cpu() || rows.scalar_type() != at::kFloat) return at::cross_entropy_loss(rows, flat_targets);
  return CrossEntropy::apply(rows.contiguous(), flat_targets);
}

}  // namespace saturn
