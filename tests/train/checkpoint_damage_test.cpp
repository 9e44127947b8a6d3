// SPDX-License-Identifier: Apache-2.0
// Checkpoints that are not as they were written.
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "temporary_directory.h"
#include "train/checkpoint_files.h"

namespace saturn::checkpoint_damage_test {
using namespace saturn::test;

namespace {

/// What opening says.
std::string refusal(const fs::path& directory) {
  try {
    const OpenedCheckpoint opened(directory);
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a part that is damaged is named with its shard") {
  const TemporaryDirectory root;
  const fs::path damaged = write_in_parts(root.path(), at::ones({2, 4}), 2);
  std::string bytes = read_file(damaged / "model-00001-of-00002.safetensors");
  bytes[bytes.size() - 1] = static_cast<char>(bytes.back() ^ 64);
  overwrite(damaged / "model-00001-of-00002.safetensors", bytes);
  CHECK(refusal(damaged) ==
        "the checkpoint " + damaged.string() +
            " is damaged: model-00001-of-00002.safetensors: tensor 'weight#4' does not have its checksum");
}

TEST_CASE("ranks that share the checksums find all damage together, each its own") {
  const TemporaryDirectory root;
  const fs::path directory = write_in_parts(root.path(), at::arange(64, at::kFloat), 2);
  const fs::path shard = directory / "model-00001-of-00002.safetensors";
  const std::string good = read_file(shard);
  std::set<int> finders;
  for (std::size_t i = 1; i <= 136; i += 5) {  // 32 elements and 2 more
    std::string bad = good;
    bad[bad.size() - i] = static_cast<char>(bad[bad.size() - i] ^ 1);
    overwrite(shard, bad);
    int found = 0;
    for (int rank = 0; rank < 3; ++rank) {
      try {
        const OpenedCheckpoint opened(directory, {rank, 3});
      } catch (const CheckpointError&) {
        ++found;
        finders.insert(rank);
      }
    }
    CAPTURE(i);
    CHECK(found == 1);
    const OpenedCheckpoint unverified(directory, {.ranks = 0});
    CHECK_THROWS_AS(unverified.verify(unverified.names()), CheckpointError);
  }
  CHECK(finders.size() > 1);
}

TEST_CASE("a tensor that is damaged is named") {
  const TemporaryDirectory root;
  const fs::path damaged = write_one(root.path());
  std::string bytes = read_file(damaged / kShard);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);  // "mask" stands last
  overwrite(damaged / kShard, bytes);
  CHECK(refusal(damaged) == "the checkpoint " + damaged.string() + " is damaged: " + kShard +
                                ": tensor 'mask' does not have its checksum");
}

TEST_CASE("every flipped bit of a checkpoint's shard is noticed") {
  const TemporaryDirectory root;
  const fs::path directory = write_one(root.path());
  const std::string good = read_file(directory / kShard);
  for (std::size_t bit = 0; bit < 8 * good.size(); bit += 3) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    overwrite(directory / kShard, bad);
    CAPTURE(bit);
    CHECK(refusal(directory) != "");
  }
  overwrite(directory / kShard, good);
  CHECK(refusal(directory) == "");
}

TEST_CASE("a checkpoint cut anywhere is noticed") {
  const TemporaryDirectory root;
  const fs::path directory = write_one(root.path());
  for (const char* file : {kShard, "checkpoint.json"}) {
    const std::string good = read_file(directory / file);
    // The last byte of the JSON file is its newline.
    for (std::size_t size = 0; size + 2 < good.size(); size += 5) {
      overwrite(directory / file, good.substr(0, size));
      CAPTURE(size);
      CHECK(refusal(directory) != "");
    }
    overwrite(directory / file, good);
  }
}

TEST_CASE("what is damaged is named") {
  const TemporaryDirectory root;
  const fs::path directory = write_one(root.path());
  const std::string start = "the checkpoint " + directory.string() + " is damaged: ";
  const std::string index = read_file(directory / "checkpoint.json");
  const std::string shard = read_file(directory / kShard);
  overwrite(directory / kShard, shard + "x");
  CHECK(refusal(directory) == start + kShard + ": the tensors need 69 bytes and the file has 70");
  fs::remove(directory / kShard);
  CHECK(refusal(directory) ==
        start + "cannot read " + (directory / kShard).string() + ": No such file or directory");
  overwrite(directory / kShard, shard);
  overwrite(directory / "checkpoint.json", index.substr(0, 30));
  CHECK(refusal(directory) == start + "checkpoint.json: it is no JSON map: truncated or damaged");
  overwrite(directory / "checkpoint.json", R"({"schema": "saturn.checkpoint/9"})");
  CHECK(refusal(directory) ==
        start +
            "checkpoint.json: its schema is \"saturn.checkpoint/9\" and this program reads "
            "\"saturn.checkpoint/2\"");
  overwrite(directory / "checkpoint.json", index);
  fs::rename(directory, root / "step-00000008");
  CHECK(refusal(root / "step-00000008") == "the checkpoint " + (root / "step-00000008").string() +
                                               " is damaged: checkpoint.json: it is of step 7");
}

TEST_CASE("a damaged checkpoint of a later step does not push out the one just written") {
  const TemporaryDirectory root;
  for (const std::int64_t step : {5, 6, 9}) write_one(root.path(), {step, "t", "m", "d", 1});
  overwrite(root / "step-00000009" / "checkpoint.json", "");
  prune_checkpoints(root.path(), 1, 6);
  CHECK(names_in(root.path()) == std::vector<std::string>{"step-00000006", "step-00000009"});
}

}  // namespace saturn::checkpoint_damage_test
