// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "workload/model_spec.h"

namespace saturn {
namespace {

ModelSpec gpt(GptModel sizes) {
  ModelSpec model;
  model.gpt = sizes;
  return model;
}

ModelSpec gptj(GptjModel sizes) {
  ModelSpec model;
  model.kind = "gptj";
  model.gptj = sizes;
  return model;
}

ModelSpec vit(VitModel sizes) {
  ModelSpec model;
  model.kind = "vit";
  model.vit = std::move(sizes);
  return model;
}

ModelSpec resnet(std::vector<std::int64_t> stages) {
  ModelSpec model;
  model.kind = "resnet";
  model.resnet = {224, 3, std::move(stages), 64, 1000};
  return model;
}

/// Sizes of the published models: Radford et al. 2019 (GPT-2), Wang and Komatsuzaki 2021 (GPT-J), Dosovitskiy
/// et al. 2021 and Zhai et al. 2022 (ViT), He et al. 2016 (ResNet).
const std::map<std::string, ModelSpec>& presets() {
  static const std::map<std::string, ModelSpec> all{
      {"gpt2", gpt({12, 12, 768, 1024, 50257})},
      {"gpt2-medium", gpt({24, 16, 1024, 1024, 50257})},
      {"gpt2-large", gpt({36, 20, 1280, 1024, 50257})},
      {"gpt2-xl", gpt({48, 25, 1600, 1024, 50257})},
      {"gpt-j-6b", gptj({28, 16, 4096, 2048, 50400, 64})},
      {"vit-b-16", vit({224, 3, 16, 12, 12, 768, 3072, 1000, "cls"})},
      {"vit-l-16", vit({224, 3, 16, 24, 16, 1024, 4096, 1000, "cls"})},
      {"vit-h-14", vit({224, 3, 14, 32, 16, 1280, 5120, 1000, "cls"})},
      {"vit-g-14", vit({224, 3, 14, 48, 16, 1664, 8192, 1000, "cls"})},
      {"resnet-50", resnet({3, 4, 6, 3})},
      {"resnet-101", resnet({3, 4, 23, 3})},
      {"resnet-152", resnet({3, 8, 36, 3})},
      {"resnet-200", resnet({3, 24, 36, 3})},
  };
  return all;
}

}  // namespace

std::vector<std::string> model_presets() {
  std::vector<std::string> names;
  for (const auto& [name, model] : presets()) names.push_back(name);
  return names;
}

ModelSpec model_preset(const std::string& name) {
  return presets().at(name);
}

}  // namespace saturn
