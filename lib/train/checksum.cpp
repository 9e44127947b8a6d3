// SPDX-License-Identifier: Apache-2.0
#include "train/checksum.h"

#include <algorithm>
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

void Checksum64::absorb_blocks(const std::byte* data, std::size_t blocks) {
  std::array<std::uint64_t, 4> lanes = lanes_;  // local: bytes could be an alias of a member
  for (; blocks > 0; --blocks, data += kBlock)
    for (std::size_t lane = 0; lane < 4; ++lane)
      lanes[lane] = absorb(lanes[lane], word_at(data + 8 * lane, 8));
  lanes_ = lanes;
}

void Checksum64::add(std::span<const std::byte> bytes) {
  size_ += bytes.size();
  if (rest_size_ > 0) {
    const std::size_t taken = std::min(kBlock - rest_size_, bytes.size());
    std::copy_n(bytes.begin(), taken, rest_.begin() + static_cast<std::ptrdiff_t>(rest_size_));
    rest_size_ += taken;
    bytes = bytes.subspan(taken);
    if (rest_size_ < kBlock) return;
    absorb_blocks(rest_.data(), 1);
    rest_size_ = 0;
  }
  absorb_blocks(bytes.data(), bytes.size() / kBlock);
  const auto rest = bytes.last(bytes.size() % kBlock);
  std::copy(rest.begin(), rest.end(), rest_.begin());
  rest_size_ = rest.size();
}

std::uint64_t Checksum64::value() const {
  std::uint64_t sum = absorb(0, size_);
  const std::byte* data = rest_.data();
  std::size_t left = rest_size_;
  for (; left >= 8; left -= 8, data += 8) sum = absorb(sum, word_at(data, 8));
  if (left > 0) sum = absorb(sum, word_at(data, left));
  for (const std::uint64_t lane : lanes_) sum = absorb(sum, lane);
  return sum ^ (sum >> 31);
}

std::uint64_t checksum64(std::span<const std::byte> bytes) {
  Checksum64 sum;
  sum.add(bytes);
  return sum.value();
}

}  // namespace saturn
