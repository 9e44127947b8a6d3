// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <algorithm>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "train/checkpoint.h"

namespace saturn::test {

/// Checkpoints made for tests.

namespace fs = std::filesystem;

/// The only shard of one rank.
constexpr const char* kShard = "model-00000-of-00001.safetensors";

inline const CheckpointState kState{7, "a task", "gpt ...", "text of 9 bytes", 18446744073709551615ULL};

inline NamedTensors some_tensors(float value = 1) {
  return {{"weight", at::full({2, 3}, value)},
          {"optimizer.step", at::full({}, 7, at::kLong)},
          {"half", at::arange(5, at::kFloat).to(at::kBFloat16)},
          {"mask", at::ones({3}, at::kBool)},
          {"empty", at::empty({0, 4})},
          {"turned", at::arange(6, at::kFloat).view({2, 3}).t()}};
}

inline fs::path write_one(const fs::path& root, CheckpointState state = kState, float value = 1) {
  begin_checkpoint(root, state.step);
  ShardWriter writer;
  for (const auto& [name, tensor] : some_tensors(value)) writer.add(name, tensor);
  write_shard({root, state.step, 0, 1}, writer.parts());
  return commit_checkpoint(root, state);
}

inline void check_equal(const CheckpointReader& reader, const NamedTensors& tensors) {
  CHECK(reader.names().size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    CAPTURE(name);
    const at::Tensor found = reader.tensor(name);
    CHECK((found.scalar_type() == tensor.scalar_type()));
    CHECK(at::equal(found, tensor));
  }
}

inline std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

inline void overwrite(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// `ranks` ranks write `whole` ("weight", as one after another) and an own tensor each.
inline fs::path write_in_parts(const fs::path& root, const at::Tensor& whole, int ranks,
                               std::int64_t step = 7) {
  begin_checkpoint(root, step);
  for (int rank = 0; rank < ranks; ++rank) {
    const std::int64_t begin = whole.numel() * rank / ranks, end = whole.numel() * (rank + 1) / ranks;
    ShardWriter writer;
    writer.add_part("weight", whole.sizes().vec(), begin, whole.reshape(-1).slice(0, begin, end));
    writer.add("own." + std::to_string(rank), at::full({2}, rank));
    write_shard({root, step, rank, ranks}, writer.parts());
  }
  return commit_checkpoint(root, {step, "t", "m", "d", 1});
}

}  // namespace saturn::test
