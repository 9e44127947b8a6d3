// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/zeros.h>

#include "base/error.h"
#include "base/file.h"
#include "temporary_directory.h"
#include "train/checkpoint_files.h"
#include "train/file_size_limit.h"

namespace saturn::checkpoint_test {
using namespace saturn::test;

TEST_CASE("a checkpoint is read back bit by bit") {
  const TemporaryDirectory root;
  const fs::path directory = write_one(root.path());
  CHECK(directory == root / "step-00000007");
  CHECK(names_in(root.path()) == std::vector<std::string>{"step-00000007"});
  CHECK(names_in(directory) == std::vector<std::string>{"checkpoint.json", kShard});
  const OpenedCheckpoint opened(directory);
  CHECK(opened.state() == kState);
  CHECK(opened.directory() == directory);
  check_equal(opened, some_tensors());
  CHECK_FALSE(opened.has("other"));
  CHECK_THROWS_WITH_AS((void)opened.tensor("other"),
                       ("the checkpoint " + directory.string() + " has no tensor 'other'").c_str(),
                       CheckpointError);
}

TEST_CASE("each rank writes what it added; a rank that added nothing writes nothing") {
  const TemporaryDirectory root;
  begin_checkpoint(root.path(), 7);
  const NamedTensors tensors = some_tensors();
  for (int rank = 0; rank < 3; ++rank) {
    ShardWriter writer;
    for (std::size_t i = 0; i < tensors.size(); ++i)
      if (static_cast<int>(i % 2) == rank) writer.add(tensors[i].first, tensors[i].second);
    write_shard({root.path(), 7, rank, 3}, writer.parts());
  }
  const fs::path directory = commit_checkpoint(root.path(), kState);
  CHECK(names_in(directory) == std::vector<std::string>{"checkpoint.json", "model-00000-of-00003.safetensors",
                                                        "model-00001-of-00003.safetensors"});
  check_equal(OpenedCheckpoint(directory), tensors);
}

TEST_CASE("a tensor added twice is an error") {
  const TemporaryDirectory root;
  ShardWriter writer;
  writer.add("weight", at::ones({2}));
  CHECK(writer.bytes() == 8);
  CHECK_THROWS_WITH_AS(writer.add("weight", at::ones({2})), "tensor 'weight' was added twice",
                       std::logic_error);
  begin_checkpoint(root.path(), 7);
  write_shard({root.path(), 7, 0, 2}, writer.parts());
  write_shard({root.path(), 7, 1, 2}, writer.parts());
  CHECK_THROWS_WITH_AS(commit_checkpoint(root.path(), kState), "tensor 'weight' was added by two ranks",
                       CheckpointError);
}

namespace {

/// What joining says when rank 0 adds elements [0, end) of 6 and rank 1 those from `begin` on.
std::string refusal_of_parts(std::int64_t end, std::int64_t begin, const at::Tensor& values) {
  const TemporaryDirectory root;
  begin_checkpoint(root.path(), 7);
  ShardWriter first, second;
  first.add_part("weight", {2, 3}, 0, at::ones({end}));
  second.add_part("weight", values.sizes().vec(), begin, values.reshape(-1).slice(0, begin));
  write_shard({root.path(), 7, 0, 2}, first.parts());
  write_shard({root.path(), 7, 1, 2}, second.parts());
  try {
    commit_checkpoint(root.path(), kState);
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("parts that four ranks wrote are read in other parts, on any number of ranks") {
  const TemporaryDirectory root;
  const at::Tensor whole = at::arange(35, at::kFloat).view({5, 7});
  const OpenedCheckpoint opened(write_in_parts(root.path(), whole, 4));
  CHECK(opened.names() == std::vector<std::string>{"own.0", "own.1", "own.2", "own.3", "weight"});
  CHECK(opened.shape("weight") == std::vector<std::int64_t>{5, 7});
  CHECK(at::equal(opened.tensor("weight"), whole));
  for (int ranks = 1; ranks <= 3; ++ranks) {
    for (int rank = 0; rank < ranks; ++rank) {
      const std::int64_t begin = 35 * rank / ranks, end = 35 * (rank + 1) / ranks;
      const at::Tensor to = at::zeros({end - begin}), wide = at::zeros({end - begin}, at::kDouble);
      opened.read("weight", begin, to);
      opened.read("weight", begin, wide);
      CHECK(at::equal(to, at::arange(begin, end, at::kFloat)));
      CHECK(at::equal(wide, at::arange(begin, end, at::kDouble)));
    }
  }
  opened.read("weight", 35, at::zeros({0}));
  CHECK_THROWS_WITH_AS(opened.read("weight", 34, at::zeros({2})), "tensor 'weight' has no elements [34, 36)",
                       std::logic_error);
}

TEST_CASE("a part stands in its shard under a name that tells where it begins") {
  const TemporaryDirectory root;
  const fs::path directory = write_in_parts(root.path(), at::arange(8, at::kFloat).view({2, 4}), 2);
  const auto shard = open_safetensors(directory / "model-00001-of-00002.safetensors");
  CHECK(shard->names() == std::vector<std::string>{"own.1", "weight#4"});
  CHECK(at::equal(shard->tensor("weight#4"), at::arange(4, 8, at::kFloat)));
  const at::Tensor two = at::zeros({2});
  shard->read("weight#4", 1, two);
  CHECK(at::equal(two, at::arange(5, 7, at::kFloat)));
}

TEST_CASE("parts must make whole tensors") {
  CHECK(refusal_of_parts(3, 3, at::ones({2, 3})) == "");
  CHECK(refusal_of_parts(3, 4, at::ones({2, 3})) ==
        "tensor 'weight' has no elements [3, 4): no rank added them");
  CHECK(refusal_of_parts(3, 6, at::ones({2, 3})) ==
        "tensor 'weight' has no elements [3, 6): no rank added them");
  CHECK(refusal_of_parts(0, 1, at::ones({2, 3})) ==
        "tensor 'weight' has no elements [0, 1): no rank added them");
  CHECK(refusal_of_parts(4, 2, at::ones({2, 3})) == "tensor 'weight' has the elements [2, 4) twice");
  CHECK(refusal_of_parts(6, 0, at::ones({2, 3})) == "tensor 'weight' was added by two ranks");
  CHECK(refusal_of_parts(3, 3, at::ones({3, 2})) ==
        "tensor 'weight' is F32[2, 3] on one rank and F32[3, 2] on another");
  CHECK(refusal_of_parts(3, 3, at::ones({2, 3}, at::kDouble)) ==
        "tensor 'weight' is F32[2, 3] on one rank and F64[2, 3] on another");
}

TEST_CASE("a part outside of its tensor, and one that is there, are refused at once") {
  ShardWriter writer;
  CHECK_THROWS_WITH_AS(writer.add_part("a", {2, 3}, 4, at::ones({3})),
                       "tensor 'a' has 6 elements, not [4, 7)", std::logic_error);
  writer.add_part("a", {2, 3}, 4, at::ones({2}));
  CHECK_THROWS_WITH_AS(writer.add_part("a", {2, 3}, 4, at::ones({1})), "tensor 'a' was added twice",
                       std::logic_error);
  CHECK_THROWS_WITH_AS(writer.add("a#4", at::ones({1})), "tensor 'a#4': a '#' in the name is for parts",
                       std::logic_error);
  CHECK(writer.bytes() == 8);
}

TEST_CASE("the weights of a checkpoint are whole tensors in one file, without the optimizer's") {
  const TemporaryDirectory root;
  begin_checkpoint(root.path(), 7);
  const at::Tensor whole = at::arange(35, at::kFloat).view({5, 7});
  for (int rank = 0; rank < 2; ++rank) {
    ShardWriter writer;
    for (const char* name : {"weight", "optimizer.exp_avg.weight"})
      writer.add_part(name, {5, 7}, rank * 20, whole.view(-1).slice(0, rank * 20, rank == 0 ? 20 : 35));
    if (rank == 1) writer.add("count", at::full({}, 3, at::kLong));
    write_shard({root.path(), 7, rank, 2}, writer.parts());
  }
  const fs::path directory = commit_checkpoint(root.path(), kState);
  const fs::path file = root / "model.safetensors";
  write_weights(file, OpenedCheckpoint(directory, {.ranks = 0}));
  check_equal(*open_safetensors(file), {{"weight", whole}, {"count", at::full({}, 3, at::kLong)}});
  {
    const FileSizeLimit limit(100);
    CHECK_THROWS_AS(write_weights(file, OpenedCheckpoint(directory)), SystemError);
  }
  CHECK(names_in(root.path()) == std::vector<std::string>{"model.safetensors", "step-00000007"});
  check_equal(*open_safetensors(file), {{"weight", whole}, {"count", at::full({}, 3, at::kLong)}});
  const fs::path shard = directory / "model-00000-of-00002.safetensors";
  const std::string good = read_file(shard);
  for (const auto& [from_the_end, used] : {std::pair{1, false}, std::pair{81, true}}) {
    std::string bad = good;
    char& byte = bad[bad.size() - static_cast<std::size_t>(from_the_end)];
    byte = static_cast<char>(byte ^ 1);
    overwrite(shard, bad);
    CAPTURE(from_the_end);
    const OpenedCheckpoint damaged(directory, {.ranks = 0});
    if (used)
      CHECK_THROWS_AS(write_weights(file, damaged), CheckpointError);
    else
      write_weights(file, damaged);  // the optimizer's state is no part of it
  }
}

TEST_CASE("a large file is written block by block as it is, to the last byte") {
  const TemporaryDirectory root;
  const NamedTensors tensors{{"large", at::arange(5'000'011, at::kFloat)},
                             {"odd", at::ones({13}, at::kBool)}};
  write_safetensors(root / "w", tensors);
  check_equal(*open_safetensors(root / "w"), tensors);
}

TEST_CASE("a writer that is asked to stop leaves no file") {
  const TemporaryDirectory root;
  begin_checkpoint(root.path(), 7);
  ShardWriter writer;
  writer.add("weight", at::ones({2}));
  std::stop_source stop;
  stop.request_stop();
  CHECK_THROWS_AS(write_shard({root.path(), 7, 0, 1}, writer.parts(), stop.get_token()), SystemError);
  CHECK(names_in(root / "step-00000007.writing").empty());
}

TEST_CASE("a checkpoint that is not committed is none, and the next one clears it away") {
  const TemporaryDirectory root;
  CHECK(list_checkpoints(root / "nowhere").empty());
  begin_checkpoint(root.path(), 3);
  CHECK(names_in(root.path()) == std::vector<std::string>{"step-00000003.writing"});
  CHECK(list_checkpoints(root.path()).empty());
  write_one(root.path());
  CHECK(names_in(root.path()) == std::vector<std::string>{"step-00000007"});
  begin_checkpoint(root.path(), 9);
  discard_checkpoint(root.path(), 9);
  CHECK(names_in(root.path()) == std::vector<std::string>{"step-00000007"});
}

TEST_CASE("the newest are kept, by number and not by name") {
  const TemporaryDirectory root;
  for (const std::int64_t step : {99'999'999, 100'000'000, 5, 20})
    write_one(root.path(), {step, "t", "m", "d", 1});
  fs::create_directory(root / "step-mine");
  prune_checkpoints(root.path(), 2, 100'000'000);
  CHECK(names_in(root.path()) == std::vector<std::string>{"step-100000000", "step-99999999", "step-mine"});
  CHECK(list_checkpoints(root.path()) ==
        std::vector<fs::path>{root / "step-100000000", root / "step-99999999"});
  prune_checkpoints(root.path(), 0, 100'000'000);
  CHECK(list_checkpoints(root.path()) == std::vector<fs::path>{root / "step-100000000"});
}

TEST_CASE("a checkpoint of the same step is replaced") {
  const TemporaryDirectory root;
  write_one(root.path(), kState, 1);
  write_one(root.path(), kState, 2);
  CHECK(names_in(root.path()) == std::vector<std::string>{"step-00000007"});
  check_equal(OpenedCheckpoint(root / "step-00000007"), some_tensors(2));
}

TEST_CASE("a full disk is an error that names the file and leaves what was there") {
  const TemporaryDirectory root;
  write_one(root.path());
  begin_checkpoint(root.path(), 8);
  ShardWriter writer;
  writer.add("weight", at::zeros({10'000}));
  const fs::path shard = root / "step-00000008.writing" / kShard;
  {
    const FileSizeLimit limit(4096);
    CHECK_THROWS_WITH_AS(write_shard({root.path(), 8, 0, 1}, writer.parts()),
                         ("cannot write " + shard.string() + ": File too large").c_str(), SystemError);
  }
  CHECK(names_in(root / "step-00000008.writing").empty());
  discard_checkpoint(root.path(), 8);
  CHECK(names_in(root.path()) == std::vector<std::string>{"step-00000007"});
  check_equal(OpenedCheckpoint(root / "step-00000007"), some_tensors());
}

TEST_CASE("a directory that cannot be made is an error") {
  const TemporaryDirectory root;
  overwrite(root / "file", "");
  CHECK_THROWS_AS(begin_checkpoint(root / "file", 1), SystemError);
}

TEST_CASE("final weights are one file that is replaced as one step") {
  const TemporaryDirectory root;
  write_safetensors(root / "model.safetensors", some_tensors(1));
  write_safetensors(root / "model.safetensors", some_tensors(2));
  CHECK(names_in(root.path()) == std::vector<std::string>{"model.safetensors"});
  check_equal(*open_safetensors(root / "model.safetensors"), some_tensors(2));
  CHECK(read_file(root / "model.safetensors").find(R"({"__metadata__":{"format":"pt"})") == 8);
  {
    const FileSizeLimit limit(100);
    CHECK_THROWS_AS(write_safetensors(root / "model.safetensors", some_tensors(3)), SystemError);
  }
  CHECK(names_in(root.path()) == std::vector<std::string>{"model.safetensors"});
  check_equal(*open_safetensors(root / "model.safetensors"), some_tensors(2));
}

TEST_CASE("weights that are no safetensors file are refused") {
  const TemporaryDirectory root;
  overwrite(root / "garbage", "PK\x03\x04 something else entirely");
  CHECK_THROWS_AS(open_safetensors(root / "garbage"), CheckpointError);
  overwrite(root / "short", "abc");
  CHECK_THROWS_WITH_AS(open_safetensors(root / "short"), "short: it has 3 bytes: too short for a header",
                       CheckpointError);
  CHECK_THROWS_WITH_AS(open_safetensors(root / "gone"),
                       ("cannot read " + (root / "gone").string() + ": No such file or directory").c_str(),
                       SystemError);
}

}  // namespace saturn::checkpoint_test
