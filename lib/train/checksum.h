// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace saturn {

/// A 64-bit checksum that finds damage (not a defence against malice), at about the speed of memory. Four
/// lanes of 8 bytes, each multiplied and rotated, joined with the length at the end; the same on every
/// little-endian machine, and however the bytes are divided among the calls of `add`.
class Checksum64 {
 public:
  void add(std::span<const std::byte> bytes);
  /// Of all bytes so far.
  std::uint64_t value() const;

 private:
  static constexpr std::size_t kBlock = 32;

  void absorb_blocks(const std::byte* data, std::size_t blocks);

  std::array<std::uint64_t, 4> lanes_{1, 2, 3, 4};
  std::array<std::byte, kBlock> rest_{};  ///< what makes no whole block yet
  std::size_t rest_size_ = 0;
  std::uint64_t size_ = 0;
};

std::uint64_t checksum64(std::span<const std::byte> bytes);

}  // namespace saturn
