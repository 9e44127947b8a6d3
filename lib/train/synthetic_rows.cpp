// SPDX-License-Identifier: Apache-2.0
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <algorithm>

#include "train/row_source.h"

namespace saturn {
namespace {

/// SplitMix64's output function (Steele et al. 2014): every number of its own.
std::uint64_t scrambled(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// The start of a row's numbers.
std::uint64_t key_of(std::uint64_t seed, RowSource::Part part, std::int64_t row) {
  const std::uint64_t side = part == RowSource::Part::kTraining ? 0 : 1;
  return scrambled(scrambled(seed * 2 + side) ^ static_cast<std::uint64_t>(row));
}

class SyntheticTokens final : public RowSource {
 public:
  SyntheticTokens(std::uint64_t seed, const ModelInput& input)
      : seed_(seed), length_(input.context), vocabulary_(static_cast<std::uint64_t>(input.vocabulary)) {}

  Batch allocate(std::int64_t rows) const override {
    return {at::empty({rows, length_}, at::kLong), at::empty({rows, length_}, at::kLong)};
  }

  void write(Part part, std::int64_t row, Batch& batch, std::int64_t to) const override {
    constexpr std::uint64_t kSurpriseEvery = 8;
    auto* inputs = batch.inputs.mutable_data_ptr<std::int64_t>() + to * length_;
    auto* targets = batch.targets.mutable_data_ptr<std::int64_t>() + to * length_;
    std::uint64_t key = key_of(seed_, part, row);
    std::uint64_t token = key % vocabulary_;
    for (std::int64_t i = 0; i < length_; ++i) {
      inputs[i] = static_cast<std::int64_t>(token);
      key = scrambled(key);
      token = key % kSurpriseEvery == 0 ? (key >> 8) % vocabulary_ : (5 * token + 3) % vocabulary_;
      targets[i] = static_cast<std::int64_t>(token);
    }
  }

 private:
  std::uint64_t seed_;
  std::int64_t length_;
  std::uint64_t vocabulary_;
};

class SyntheticSamples final : public RowSource {
 public:
  SyntheticSamples(std::uint64_t seed, const ModelInput& input) : seed_(seed), input_(input) {}

  Batch allocate(std::int64_t rows) const override {
    std::vector<std::int64_t> sizes{rows, input_.channels, input_.image, input_.image};
    if (input_.kind == ModelInput::Kind::kVectors) sizes = {rows, input_.numbers};
    return {at::empty(sizes, at::kFloat), at::empty({rows}, at::kLong)};
  }

  void write(Part part, std::int64_t row, Batch& batch, std::int64_t to) const override {
    const std::uint64_t noise = key_of(seed_, part, row);
    const std::uint64_t label = noise % static_cast<std::uint64_t>(input_.classes);
    batch.targets.mutable_data_ptr<std::int64_t>()[to] = static_cast<std::int64_t>(label);
    float* numbers = batch.inputs.mutable_data_ptr<float>() + to * input_.numbers;
    const std::uint64_t pattern = scrambled(seed_ ^ scrambled(label + 1));
    constexpr std::int64_t kBytes = 8;  // of a word: a number each
    for (std::int64_t i = 0; i < input_.numbers; i += kBytes) {
      std::uint64_t noises = scrambled(noise + static_cast<std::uint64_t>(i));
      std::uint64_t patterns = scrambled(pattern + static_cast<std::uint64_t>(i));
      for (std::int64_t j = i; j < std::min(i + kBytes, input_.numbers); ++j, noises >>= 8, patterns >>= 8)
        numbers[j] = value(noises, patterns);
    }
  }

 private:
  /// From -1 to 1: half noise, half pattern.
  static float value(std::uint64_t noise, std::uint64_t pattern) {
    return static_cast<float>((noise & 0xff) + (pattern & 0xff)) / 255.0F - 1;
  }

  std::uint64_t seed_;
  ModelInput input_;
};

}  // namespace

std::unique_ptr<RowSource> make_synthetic_rows(std::uint64_t seed, const ModelInput& input) {
  if (input.kind == ModelInput::Kind::kTokens) return std::make_unique<SyntheticTokens>(seed, input);
  return std::make_unique<SyntheticSamples>(seed, input);
}

}  // namespace saturn
