// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <functional>

namespace saturn {

/// Calls `body` in every backward pass as soon as the gradient of `leaf` is complete and lies in its grad();
/// replaces what was called before, nothing to call none. What `body` uses must outlive the leaf or be taken
/// away first.
void on_gradient(const at::Tensor& leaf, std::function<void()> body);

}  // namespace saturn
