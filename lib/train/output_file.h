// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <future>
#include <memory>
#include <span>

#include "base/file.h"

namespace saturn {

/// When what is written will be read.
enum class ReadAgain { kMaybe, kSoon };

/// A large file being written from its start to its end, past the page cache where the file system can
/// (O_DIRECT): that takes a fraction of the processor time and pushes no data out of memory. One block is
/// filled while those before are written. Removed again unless it is finished. Errors of every method:
/// SystemError.
class OutputFile {
 public:
  /// Reserves `bytes` on the disk, so that one that is full is noticed at once.
  OutputFile(std::filesystem::path path, std::uint64_t bytes);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  void write(std::span<const std::byte> bytes);
  /// Syncs and closes. What is read again soon begins to come into the page cache: writing through it would
  /// take two to three times as long.
  void finish(ReadAgain read_again);
  /// Gives up: "cannot write PATH: REASON of `error`".
  [[noreturn]] void fail(int error);

 private:
  struct Free {
    void operator()(std::byte* block) const;
  };
  struct Block {
    std::unique_ptr<std::byte, Free> bytes;
    std::future<int> sent;  ///< an errno; it ends before the bytes do
  };

  void reserve(std::uint64_t bytes);
  void send();  // what is in the filled block
  void wait_for(Block& block);
  void close_unfinished();

  std::filesystem::path path_;
  FileDescriptor fd_;
  std::array<Block, 4> blocks_;
  std::size_t filling_ = 0;  ///< the block
  std::size_t filled_ = 0;   ///< its bytes
  std::uint64_t place_ = 0;  ///< of the block in the file
};

}  // namespace saturn
