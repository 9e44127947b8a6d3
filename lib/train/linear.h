// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Tensor.h>

namespace saturn {

/// Matrix products of training, and the layers made of them. Weights are [in, out], as GPT-2's checkpoints
/// have them, unless said otherwise. Matrices are 2-dimensional.

/// Who multiplies float32 matrices on the CPU.
enum class MatrixLibrary {
  kTorch,   ///< Torch's default: MKL
  kOneDnn,  ///< oneDNN, which Torch's wheel brings but does not use for float32: twice as fast off Intel
};

/// The faster one by the CPU's vendor, and not by a measurement: the choice is the same at every start, so a
/// resumed run repeats the bits of an undisturbed one.
MatrixLibrary preferred_matrix_library();

/// x W + bias; `bias` may be undefined.
at::Tensor affine(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  MatrixLibrary library = preferred_matrix_library());
/// a W^T: the gradient of affine's input.
at::Tensor times_transposed(const at::Tensor& a, const at::Tensor& weight,
                            MatrixLibrary library = preferred_matrix_library());
/// x^T a: the gradient of affine's weight.
at::Tensor transposed_times(const at::Tensor& x, const at::Tensor& a,
                            MatrixLibrary library = preferred_matrix_library());

/// affine() with gradients, over the last dimension of `x`.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);
/// x W^T + bias with gradients, over the last dimension of `x`; weight [out, in], as torch.nn.Linear has it;
/// `bias` may be undefined.
at::Tensor linear_transposed(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {});

/// The weights of a two-layer perceptron.
struct Perceptron {
  at::Tensor up_weight, up_bias, down_weight, down_bias;
  bool transposed = false;  ///< weights are [out, in]
};
/// gelu(x Up + b) Down + c with gradients; gelu by its tanh formula. Keeps x and x Up + b for the backward
/// pass, not the gelu, which is made again there.
at::Tensor perceptron(const at::Tensor& x, const Perceptron& weights);

}  // namespace saturn
