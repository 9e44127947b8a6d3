// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace saturn {

/// A contiguous tensor of the CPU whose memory no slot's budget counts: whole pages of its own, given back
/// with the last tensor that uses them. Zeros at first, except on a CUDA device's side. `device` is the one
/// that the tensor's elements are copied from or to: for CUDA the memory is pinned, so that such copies run
/// by themselves. Errors: c10::OutOfMemoryError.
at::Tensor host_empty(at::IntArrayRef sizes, at::ScalarType dtype, at::Device device = at::kCPU);

}  // namespace saturn
