// SPDX-License-Identifier: Apache-2.0
#include "train/data_order.h"

#include <bit>

namespace saturn {
namespace {

/// A bijection of 64-bit words in which every input bit reaches every output bit.
std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93ULL;
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93ULL;
  x ^= x >> 32;
  return x;
}

/// A Feistel network: a permutation of the words of 2 x `half_bits` bits whatever its round function is.
std::uint64_t permuted(std::uint64_t word, unsigned half_bits, std::uint64_t key) {
  constexpr std::uint64_t kRounds = 6;
  const std::uint64_t mask = (std::uint64_t{1} << half_bits) - 1;
  std::uint64_t left = word >> half_bits;
  std::uint64_t right = word & mask;
  for (std::uint64_t round = 1; round <= kRounds; ++round) {
    const std::uint64_t next = left ^ (mix(key + round * 0x9e3779b97f4a7c15ULL + right) & mask);
    left = right;
    right = next;
  }
  return (left << half_bits) | right;
}

}  // namespace

std::uint64_t shuffled(std::uint64_t index, std::uint64_t count, std::uint64_t seed, std::uint64_t epoch) {
  if (count < 2) return 0;
  const auto bits = static_cast<unsigned>(std::bit_width(count - 1));
  const unsigned half_bits = (bits + 1) / 2;
  const std::uint64_t key = mix(mix(seed + 0x9e3779b97f4a7c15ULL) + epoch);
  // The network permutes up to 4 x count words: words outside [0, count) are permuted on until they fall
  // inside, which is a permutation of the inside.
  do index = permuted(index, half_bits, key);
  while (index >= count);
  return index;
}

std::int64_t training_block(std::uint64_t seed, std::int64_t step, std::int64_t row, std::int64_t batch_size,
                            std::int64_t blocks) {
  const std::int64_t position = step * batch_size + row;
  return static_cast<std::int64_t>(shuffled(static_cast<std::uint64_t>(position % blocks),
                                            static_cast<std::uint64_t>(blocks), seed,
                                            static_cast<std::uint64_t>(position / blocks)));
}

std::int64_t validation_block(std::int64_t index, std::int64_t count, std::int64_t blocks) {
  return index * blocks / count % blocks;
}

}  // namespace saturn
