// SPDX-License-Identifier: Apache-2.0
#include "train/checksum.h"

#include <array>
#include <bit>
#include <cstring>

namespace saturn {
namespace {

// Odd, so that multiplying loses nothing: any change of one word changes its lane for good.
constexpr std::uint64_t kFirst = 0x9e3779b97f4a7c15ULL;
constexpr std::uint64_t kSecond = 0xc2b2ae3d27d4eb4fULL;

std::uint64_t absorb(std::uint64_t lane, std::uint64_t word) {
  return std::rotl(lane ^ (word * kFirst), 29) * kSecond;
}

std::uint64_t word_at(const std::byte* data, std::size_t count) {
  std::uint64_t word = 0;
  std::memcpy(&word, data, count);
  return word;
}

}  // namespace

std::uint64_t checksum64(std::span<const std::byte> bytes) {
  std::array<std::uint64_t, 4> lanes{1, 2, 3, 4};
  const std::byte* data = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 32; left -= 32, data += 32)
    for (std::size_t lane = 0; lane < 4; ++lane)
      lanes[lane] = absorb(lanes[lane], word_at(data + 8 * lane, 8));
  std::uint64_t sum = absorb(0, bytes.size());
  for (; left >= 8; left -= 8, data += 8) sum = absorb(sum, word_at(data, 8));
  if (left > 0) sum = absorb(sum, word_at(data, left));
  for (const std::uint64_t lane : lanes) sum = absorb(sum, lane);
  return sum ^ (sum >> 31);
}

}  // namespace saturn
