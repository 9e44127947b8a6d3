// SPDX-License-Identifier: Apache-2.0
#include "train/slice.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <doctest/doctest.h>

#include "temporary_directory.h"

namespace saturn::slice_test {

namespace {

Parameter parameter(const std::string& name, const std::vector<std::int64_t>& shape) {
  return {name, shape, Start::zeros(), true, at::zeros(shape)};
}

}  // namespace

TEST_CASE("a slice takes its elements out of the whole tensor") {
  const test::TemporaryDirectory root;
  write_safetensors(root / "w", {{"a", at::arange(6, at::kFloat).view({2, 3})}});
  const auto reader = open_safetensors(root / "w");
  const Slice part{"a", {2, 3}, 2, true, at::zeros({3})};
  load_slices({part}, *reader);
  CHECK(at::equal(part.value, at::arange(2, 5, at::kFloat)));
  CHECK_FALSE(part.whole());
  const Slice whole = whole_slice(parameter("a", {2, 3}), at::zeros({2, 3}));
  load_slices({whole}, *reader);
  CHECK(at::equal(whole.value, at::arange(6, at::kFloat).view({2, 3})));
  CHECK(whole.whole());
}

TEST_CASE("slices of two ranks make the whole tensor") {
  const test::TemporaryDirectory root;
  begin_checkpoint(root.path(), 1);
  for (int rank = 0; rank < 2; ++rank) {
    ShardWriter writer;
    save_slices({{"a", {2, 3}, 3 * rank, true, at::arange(3 * rank, 3 * rank + 3, at::kFloat)}}, writer);
    if (rank == 1) save_slices({{"b", {2, 1}, 0, true, at::ones({2})}}, writer);
    write_shard({root.path(), 1, rank, 2}, writer.parts());
  }
  const OpenedCheckpoint opened(commit_checkpoint(root.path(), {1, "t", "m", "d", 1}));
  CHECK(at::equal(opened.tensor("a"), at::arange(6, at::kFloat).view({2, 3})));
  CHECK(at::equal(opened.tensor("b"), at::ones({2, 1})));
}

TEST_CASE("a slice of a tensor of another shape is refused") {
  const test::TemporaryDirectory root;
  write_safetensors(root / "w", {{"a", at::ones({4})}});
  CHECK_THROWS_WITH_AS(
      load_slices({whole_slice(parameter("a", {3}), at::zeros({3}))}, *open_safetensors(root / "w")),
      "tensor 'a' is [4] in the checkpoint and [3] in the model", CheckpointError);
}

TEST_CASE("a checkpoint of another model is refused with the first differences") {
  const test::TemporaryDirectory root;
  write_safetensors(root / "w", {{"a", at::ones({2})},
                                 {"old", at::ones({1})},
                                 {"c", at::ones({2, 2})},
                                 {"optimizer.exp_avg.a", at::ones({2})}});
  const auto reader = open_safetensors(root / "w");
  CHECK_THROWS_WITH_AS(
      check_fits({parameter("a", {2}), parameter("c", {2, 3}), parameter("d", {1}), parameter("e", {1}),
                  parameter("f", {1}), parameter("g", {1})},
                 *reader),
      "the checkpoint does not fit the model: missing 'd', 'e', 'f' and 1 more; unknown 'old'; 'c' is "
      "[2, 2] in the checkpoint and [2, 3] in the model",
      CheckpointError);
  check_fits({parameter("a", {2}), parameter("c", {2, 2}), parameter("old", {1})}, *reader);
}

TEST_CASE("replicated slices are shared out among the writers by size") {
  std::vector<Slice> slices;
  for (const std::int64_t size : {8, 2, 3, 3, 1})
    slices.push_back(whole_slice(parameter("p", {size}), at::zeros({size})));
  CHECK(writers_of(slices, 2) == std::vector<int>{0, 1, 1, 1, 0});
  CHECK(writers_of(slices, 1) == std::vector<int>{0, 0, 0, 0, 0});
}

}  // namespace saturn::slice_test
