// SPDX-License-Identifier: Apache-2.0
#include "train/gpt_layout.h"

#include <cmath>
#include <fmt/format.h>
#include <functional>
#include <numeric>

namespace saturn {
namespace {

using Start = GptParameter::Start;

constexpr double kDeviation = 0.02;  // GPT-2's

std::vector<GptParameter> norm(const std::string& name, std::int64_t width) {
  return {{name + ".weight", {width}, Start::kOnes}, {name + ".bias", {width}, Start::kZeros}};
}

std::vector<GptParameter> linear(const std::string& name, std::int64_t in, std::int64_t out,
                                 double deviation = kDeviation) {
  return {{name + ".weight", {in, out}, Start::kNormal, deviation}, {name + ".bias", {out}, Start::kZeros}};
}

std::vector<GptParameter> joined(std::initializer_list<std::vector<GptParameter>> parts) {
  std::vector<GptParameter> all;
  for (const std::vector<GptParameter>& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

std::int64_t elements(const std::vector<GptParameter>& parameters) {
  std::int64_t sum = 0;
  for (const GptParameter& parameter : parameters)
    sum +=
        std::accumulate(parameter.shape.begin(), parameter.shape.end(), std::int64_t{1}, std::multiplies<>());
  return sum;
}

}  // namespace

std::vector<GptParameter> gpt_embedding_parameters(const GptModel& model) {
  return {{"transformer.wte.weight", {model.vocabulary, model.width}, Start::kNormal, kDeviation},
          {"transformer.wpe.weight", {model.context, model.width}, Start::kNormal, kDeviation}};
}

std::vector<GptParameter> gpt_layer_parameters(const GptModel& model, std::int64_t layer) {
  const std::string name = fmt::format("transformer.h.{}", layer);
  const std::int64_t width = model.width;
  // Two additions to the residual stream a layer: their variances add up to one projection's.
  const double residual = kDeviation / std::sqrt(2.0 * static_cast<double>(model.layers));
  return joined({norm(name + ".ln_1", width), linear(name + ".attn.c_attn", width, 3 * width),
                 linear(name + ".attn.c_proj", width, width, residual), norm(name + ".ln_2", width),
                 linear(name + ".mlp.c_fc", width, 4 * width),
                 linear(name + ".mlp.c_proj", 4 * width, width, residual)});
}

std::vector<GptParameter> gpt_head_parameters(const GptModel& model) {
  return norm("transformer.ln_f", model.width);
}

std::int64_t gpt_parameter_count(const GptModel& model) {
  return elements(gpt_embedding_parameters(model)) + elements(gpt_head_parameters(model)) +
         model.layers * elements(gpt_layer_parameters(model, 0));
}

}  // namespace saturn
