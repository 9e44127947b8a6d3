// SPDX-License-Identifier: Apache-2.0
// A rank's checkpoint: bench_checkpoint DIRECTORY MEGABYTES. Prints "ready"; then, for every line of standard
// input, the seconds of
//   hold    the copy after which training goes on (the memory is there from the second one on)
//   write   shard, index and rename, all synced: also what training would stand still for without the copy
//   read    opening, comparing all checksums, copying every tensor out
#include "train/checkpoint.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/rand.h>
#include <cstdlib>
#include <fmt/format.h>
#include <iostream>

#include "clocks.h"
#include "train/snapshot.h"

namespace {

using namespace saturn;

/// Tensors as a model has them: many small ones, most bytes in a few large ones.
NamedTensors tensors_of(std::int64_t megabytes) {
  NamedTensors tensors;
  for (int i = 0; i < 16; ++i) {
    tensors.emplace_back(fmt::format("h.{}.weight", i), at::rand({megabytes, 1'000'000 / 16 / 4}));
    tensors.emplace_back(fmt::format("h.{}.bias", i), at::rand({768}));
  }
  return tensors;
}

void write(const std::filesystem::path& root, std::int64_t step, const ShardWriter& shard) {
  begin_checkpoint(root, step);
  write_shard({root, step, 0, 1}, shard.parts());
  commit_checkpoint(root, {step, "bench", "model", "data", 1});
}

void read(const std::filesystem::path& root, std::int64_t step, const NamedTensors& into) {
  const OpenedCheckpoint opened(root / checkpoint_name(step));
  for (const auto& [name, tensor] : into) opened.read(name, 0, tensor);
}

}  // namespace

int main(int argc, char** argv) {
  const std::filesystem::path root = argc > 1 ? argv[1] : ".";
  const NamedTensors tensors = tensors_of(argc > 2 ? std::atoll(argv[2]) : 1000);
  NamedTensors into;
  ShardWriter shard;
  for (const auto& [name, tensor] : tensors) {
    shard.add(name, tensor);
    into.emplace_back(name, at::empty_like(tensor).zero_());
  }
  Snapshot snapshot(at::kCPU);
  fmt::print("ready\n");
  std::fflush(stdout);
  std::int64_t step = 0;
  for (std::string command; std::getline(std::cin, command);) {
    bench::Stopwatch watch;
    if (command == "hold") watch.time([&] { snapshot.take(shard); });
    if (command == "write") watch.time([&] { write(root, ++step, shard); });
    if (command == "read") watch.time([&] { read(root, step, into); });
    if (step > 0) prune_checkpoints(root, 1, step);
    fmt::print("{}\n", watch.count() == 0 ? "unknown" : watch.report());
    std::fflush(stdout);
  }
}
