// SPDX-License-Identifier: Apache-2.0
#include "train/linear.h"

#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/mm.h>
#include <optional>
#include <string_view>
#include <torch/csrc/autograd/custom_function.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "train/elementwise.h"

namespace saturn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kGrain = 16384;  // elements that are worth a thread of their own

using PointwiseOperator = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                                     c10::string_view, c10::List<std::optional<at::Scalar>>,
                                     std::optional<c10::string_view>);

std::optional<c10::OperatorHandle> find_pointwise() {
  return c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
}

bool is_intel() {
#if defined(__x86_64__)
  unsigned highest = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(0, &highest, &b, &c, &d) == 0) return false;
  return b == signature_INTEL_ebx && d == signature_INTEL_edx && c == signature_INTEL_ecx;
#else
  return false;
#endif
}

/// x W^T + bias for a weight [out, in] of any strides.
at::Tensor one_dnn(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  static const auto call = find_pointwise().value().typed<PointwiseOperator>();
  const std::optional<at::Tensor> optional_bias = bias.defined() ? std::optional(bias) : std::nullopt;
  return call.call(x, weight, optional_bias, "none", c10::List<std::optional<at::Scalar>>(), "");
}

bool uses_one_dnn(const at::Tensor& x, MatrixLibrary library) {
  return library == MatrixLibrary::kOneDnn && x.is_cpu() && x.scalar_type() == at::kFloat;
}

at::Tensor matrix(const at::Tensor& x) {
  return x.dim() == 2 ? x : x.reshape({-1, x.size(-1)});
}

/// `y` with the leading dimensions of `like`.
at::Tensor shaped_like(const at::Tensor& y, const at::Tensor& like) {
  if (like.dim() == 2) return y;
  std::vector<std::int64_t> sizes = like.sizes().vec();
  sizes.back() = y.size(-1);
  return y.view(sizes);
}

bool has_own_loops(const at::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && x.is_contiguous();
}

at::Tensor gelu_of(const at::Tensor& x) {
  if (!has_own_loops(x)) return at::gelu(x, "tanh");
  at::Tensor out = at::empty_like(x);
  const float* from = x.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  at::parallel_for(0, x.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    gelu_forward(from + begin, to + begin, end - begin);
  });
  return out;
}

/// Turns the gradient of gelu(x) into that of x, in place; returns gelu(x).
at::Tensor gelu_backward_in_place(const at::Tensor& x, at::Tensor& gradient) {
  if (!has_own_loops(x) || !gradient.is_contiguous()) {
    gradient = at::gelu_backward(gradient, x, "tanh");
    return at::gelu(x, "tanh");
  }
  at::Tensor activation = at::empty_like(x);
  const float* from = x.const_data_ptr<float>();
  float* slope = gradient.mutable_data_ptr<float>();
  float* to = activation.mutable_data_ptr<float>();
  at::parallel_for(0, x.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    gelu_backward(from + begin, slope + begin, to + begin, end - begin);
  });
  return activation;
}

struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias) {
    context->save_for_backward({x, weight});
    return shaped_like(affine(matrix(x), weight, bias), x);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor gradient = matrix(gradients[0]);
    return {shaped_like(times_transposed(gradient, saved[1]), saved[0]),
            transposed_times(matrix(saved[0]), gradient), gradient.sum(0)};
  }
};

struct LinearTransposed : torch::autograd::Function<LinearTransposed> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias) {
    context->save_for_backward({x, weight});
    context->saved_data["bias"] = bias.has_value();
    return shaped_like(affine(matrix(x), weight.t(), bias.value_or(at::Tensor{})), x);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor gradient = matrix(gradients[0]);
    // Pixels and the like have no gradient.
    const at::Tensor input_gradient =
        context->needs_input_grad(0) ? shaped_like(affine(gradient, saved[1], {}), saved[0]) : at::Tensor{};
    return {input_gradient, transposed_times(gradient, matrix(saved[0])),
            context->saved_data["bias"].toBool() ? gradient.sum(0) : at::Tensor{}};
  }
};

/// As [in, out].
at::Tensor in_out(const at::Tensor& weight, bool transposed) {
  return transposed ? weight.t() : weight;
}

/// The gradient of a weight, in its own layout.
at::Tensor weight_gradient(const at::Tensor& x, const at::Tensor& gradient, bool transposed) {
  return transposed ? transposed_times(gradient, x) : transposed_times(x, gradient);
}

struct PerceptronFunction : torch::autograd::Function<PerceptronFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& up_weight,
                            const at::Tensor& up_bias, const at::Tensor& down_weight,
                            const at::Tensor& down_bias, bool transposed) {
    const at::Tensor hidden = affine(matrix(x), in_out(up_weight, transposed), up_bias);
    context->save_for_backward({x, up_weight, down_weight, hidden});
    context->saved_data["transposed"] = transposed;
    return shaped_like(affine(gelu_of(hidden), in_out(down_weight, transposed), down_bias), x);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const bool transposed = context->saved_data["transposed"].toBool();
    const at::Tensor gradient = matrix(gradients[0]);
    at::Tensor hidden_gradient = times_transposed(gradient, in_out(saved[2], transposed));
    const at::Tensor activation = gelu_backward_in_place(saved[3], hidden_gradient);
    return {shaped_like(times_transposed(hidden_gradient, in_out(saved[1], transposed)), saved[0]),
            weight_gradient(matrix(saved[0]), hidden_gradient, transposed),
            hidden_gradient.sum(0),
            weight_gradient(activation, gradient, transposed),
            gradient.sum(0),
            {}};
  }
};

}  // namespace

MatrixLibrary preferred_matrix_library() {
  static const MatrixLibrary library =
      !is_intel() && find_pointwise().has_value() ? MatrixLibrary::kOneDnn : MatrixLibrary::kTorch;
  return library;
}

at::Tensor affine(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  MatrixLibrary library) {
  if (uses_one_dnn(x, library)) return one_dnn(x, weight.t(), bias);
  return bias.defined() ? at::addmm(bias, x, weight) : at::mm(x, weight);
}

at::Tensor times_transposed(const at::Tensor& a, const at::Tensor& weight, MatrixLibrary library) {
  if (uses_one_dnn(a, library)) return one_dnn(a, weight, {});
  return at::mm(a, weight.t());
}

at::Tensor transposed_times(const at::Tensor& x, const at::Tensor& a, MatrixLibrary library) {
  if (uses_one_dnn(x, library)) return one_dnn(x.t(), a.t(), {});
  return at::mm(x.t(), a);
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return Linear::apply(x, weight, bias);
}

at::Tensor linear_transposed(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return LinearTransposed::apply(x, weight, bias.defined() ? std::optional(bias) : std::nullopt);
}

at::Tensor perceptron(const at::Tensor& x, const Perceptron& weights) {
  return PerceptronFunction::apply(x, weights.up_weight, weights.up_bias, weights.down_weight,
                                   weights.down_bias, weights.transposed);
}

}  // namespace saturn
