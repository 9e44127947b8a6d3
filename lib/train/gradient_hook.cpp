// SPDX-License-Identifier: Apache-2.0
#include "train/gradient_hook.h"

#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

namespace saturn {
namespace {

class GradientHook final : public torch::autograd::PostAccumulateGradHook {
 public:
  explicit GradientHook(std::function<void()> body) : body_(std::move(body)) {}
  void operator()(const at::Tensor&) override { body_(); }

 private:
  std::function<void()> body_;
};

}  // namespace

void on_gradient(const at::Tensor& leaf, std::function<void()> body) {
  auto hook = body ? std::make_unique<GradientHook>(std::move(body)) : nullptr;
  torch::autograd::impl::set_post_acc_grad_hooks(leaf, std::move(hook));
}

}  // namespace saturn
