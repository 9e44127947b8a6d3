// SPDX-License-Identifier: Apache-2.0
#include "train/parameters.h"

#include <ATen/ops/layer_norm.h>

namespace saturn {

std::vector<Parameter> norm_parameters(const std::string& name, std::int64_t width) {
  return {{name + ".weight", {width}, Start::ones(), false, {}},
          {name + ".bias", {width}, Start::zeros(), false, {}}};
}

at::Tensor normalized(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double epsilon) {
  return at::layer_norm(x, x.size(-1), weight, bias, epsilon);
}

std::vector<Parameter> linear_parameters(const std::string& name, std::int64_t in, std::int64_t out,
                                         double deviation, Layout layout) {
  std::vector<std::int64_t> shape{in, out};
  if (layout == Layout::kOutIn) shape = {out, in};
  return {{name + ".weight", std::move(shape), Start::normal(deviation), true, {}},
          {name + ".bias", {out}, Start::zeros(), false, {}}};
}

std::vector<Parameter> joined(std::initializer_list<std::vector<Parameter>> parts) {
  std::vector<Parameter> all;
  for (const std::vector<Parameter>& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace saturn
