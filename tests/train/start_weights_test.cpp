// SPDX-License-Identifier: Apache-2.0
#include "train/start_weights.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <doctest/doctest.h>

#include "temporary_directory.h"
#include "train/slice.h"

namespace saturn::start_weights_test {

namespace {

ModelSpec small() {
  return {"gpt", {1, 2, 8, 6, 11}};
}

/// The small model's weights of seed 5.
NamedTensors weights() {
  NamedTensors all;
  for (const Parameter& parameter : build_model(small(), 5).parameters())
    all.emplace_back(parameter.name, parameter.tensor.detach());
  return all;
}

ModelSpec from(const std::filesystem::path& path) {
  ModelSpec spec = small();
  spec.start_from = path.string();
  return spec;
}

void check_same(const CheckpointReader& reader) {
  CHECK_NOTHROW(check_fits(build_model(small()).tensors(), reader));
  for (const auto& [name, tensor] : weights()) CHECK(at::equal(reader.tensor(name), tensor));
  CHECK_FALSE(reader.has("optimizer.step"));
}

std::string without_prefix(const std::string& name) {
  return name.substr(std::string("transformer.").size());
}

std::string problem(const ModelSpec& spec) {
  try {
    check_fits(build_model(small()).tensors(), *open_start_weights(spec));
    return "";
  } catch (const CheckpointError& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("weights of the model's own names are read") {
  const test::TemporaryDirectory directory;
  write_safetensors(directory / "w.safetensors", weights());
  check_same(*open_start_weights(from(directory / "w.safetensors")));
}

TEST_CASE("Hugging Face's GPT-2: names without a prefix, masks and a copy of the tied head") {
  const test::TemporaryDirectory directory;
  NamedTensors theirs;
  for (const auto& [name, tensor] : weights()) theirs.emplace_back(without_prefix(name), tensor);
  theirs.emplace_back("h.0.attn.bias", at::ones({1, 1, 6, 6}));
  theirs.emplace_back("h.0.attn.masked_bias", at::ones({}));
  theirs.emplace_back("lm_head.weight", at::ones({11, 8}));
  write_safetensors(directory / "w.safetensors", theirs);
  check_same(*open_start_weights(from(directory / "w.safetensors")));
}

TEST_CASE("a folder is all its files, and the optimizer's state is passed over") {
  const test::TemporaryDirectory directory;
  NamedTensors all = weights(), first{all.begin(), all.begin() + 3}, rest{all.begin() + 3, all.end()};
  rest.emplace_back("optimizer.step", at::ones({}));
  rest.emplace_back("optimizer.exp_avg.transformer.wte.weight", at::ones({11, 8}));
  write_safetensors(directory / "a.safetensors", first);
  write_safetensors(directory / "b.safetensors", rest);
  check_same(*open_start_weights(from(directory.path())));
}

TEST_CASE("half-precision weights are taken by value") {
  const test::TemporaryDirectory directory;
  NamedTensors coarse;
  for (const auto& [name, tensor] : weights()) coarse.emplace_back(name, tensor.to(at::kBFloat16));
  write_safetensors(directory / "w.safetensors", coarse);
  const auto reader = open_start_weights(from(directory / "w.safetensors"));
  const Model model = build_model(small(), 9);
  std::vector<Slice> slices;
  for (const Parameter& parameter : model.parameters())
    slices.push_back(whole_slice(parameter, parameter.tensor.detach()));
  load_slices(slices, *reader);
  for (std::size_t i = 0; i < slices.size(); ++i)
    CHECK(at::equal(slices[i].value, coarse[i].second.to(at::kFloat)));
}

TEST_CASE("weights that do not fit are refused with what is wrong") {
  const test::TemporaryDirectory directory;
  const auto path = directory / "w.safetensors";
  NamedTensors wrong = weights();
  wrong.erase(wrong.begin() + 1);
  wrong.emplace_back("extra", at::ones({2}));
  wrong[0].second = at::ones({3, 8});
  write_safetensors(path, wrong);
  CHECK(problem(from(path)) ==
        "the checkpoint does not fit the model: missing 'transformer.wpe.weight'; unknown 'extra'; "
        "'transformer.wte.weight' is [3, 8] in the checkpoint and [11, 8] in the model");
  write_safetensors(directory / "x.safetensors", weights());
  CHECK(problem(from(directory.path())) == "the tensor 'transformer.h.0.attn.c_attn.bias' is there twice");
  const test::TemporaryDirectory empty;
  CHECK(problem(from(empty.path())) == "there is no *.safetensors in " + empty.path().string());
}

}  // namespace saturn::start_weights_test
