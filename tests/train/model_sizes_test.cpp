// SPDX-License-Identifier: Apache-2.0
// The published models can be constructed, without memory, and have the parameters that are published.
#include <doctest/doctest.h>

#include "train/model.h"

namespace saturn::model_sizes_test {

namespace {

std::int64_t parameters_of(const std::string& preset) {
  return parameter_count(model_preset(preset));
}

}  // namespace

TEST_CASE("published language models have their published parameters") {
  CHECK(parameters_of("gpt2") == 124'439'808);
  CHECK(parameters_of("gpt2-medium") == 354'823'168);
  CHECK(parameters_of("gpt2-large") == 774'030'080);
  CHECK(parameters_of("gpt2-xl") == 1'557'611'200);
  CHECK(parameters_of("gpt-j-6b") == 6'050'882'784);
}

TEST_CASE("published vision models have their published parameters") {
  CHECK(parameters_of("vit-b-16") == 86'567'656);
  CHECK(parameters_of("vit-l-16") == 304'326'632);
  CHECK(parameters_of("vit-h-14") == 632'045'800);
  CHECK(parameters_of("vit-g-14") == 1'844'440'680);
  CHECK(parameters_of("resnet-50") == 25'557'032);
  CHECK(parameters_of("resnet-101") == 44'549'160);
  CHECK(parameters_of("resnet-152") == 60'192'808);
  CHECK(parameters_of("resnet-200") == 64'673'832);
}

TEST_CASE("a model that nobody gave memory has none, whatever its size") {
  for (const std::string& preset : model_presets()) {
    CAPTURE(preset);
    for (const Parameter& tensor : build_model(model_preset(preset)).tensors())
      CHECK_FALSE(tensor.tensor.defined());
  }
}

}  // namespace saturn::model_sizes_test
