// SPDX-License-Identifier: Apache-2.0
#include "train/reduce.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace saturn {
namespace {

/// The results of this many elements stay in the first-level cache until they are complete.
constexpr std::size_t kBlock = 2048;

struct BFloat16 {
  std::uint16_t bits;
};

float load(BFloat16 value) {
  return std::bit_cast<float>(std::uint32_t{value.bits} << 16);
}
float load(float value) {
  return value;
}
double load(double value) {
  return value;
}
std::int64_t load(std::int64_t value) {
  return value;
}

template <class T, class Acc>
T store(Acc value) {
  return value;
}
/// Rounds to nearest even; a NaN stays one.
template <>
BFloat16 store<BFloat16, float>(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const std::uint32_t quiet = (bits >> 16) | 0x40;
  return {static_cast<std::uint16_t>(value == value ? rounded : quiet)};
}

struct Sum {
  template <class A>
  A operator()(A a, A b) const {
    return a + b;
  }
  /// Wraps around, as every integer sum on the way of a wrapped result must.
  std::int64_t operator()(std::int64_t a, std::int64_t b) const {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  }
};
struct Max {
  template <class A>
  A operator()(A a, A b) const {
    return a < b ? b : a;
  }
};

template <class T, class Op>
void reduce_as(std::span<const void* const> sources, std::size_t count, void* out, void* copy) {
  using Acc = decltype(load(T{}));
  std::array<Acc, kBlock> sums;
  std::array<T, kBlock> results;
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t n = std::min(kBlock, count - begin);
    const T* first = static_cast<const T*>(sources[0]) + begin;
    if (sources.size() == 1) {
      for (std::size_t i = 0; i < n; ++i) sums[i] = load(first[i]);
    }
    for (std::size_t s = 1; s < sources.size(); ++s) {
      const T* next = static_cast<const T*>(sources[s]) + begin;
      if (s == 1) {  // one pass less than starting from a copy of the first
        for (std::size_t i = 0; i < n; ++i) sums[i] = Op()(load(first[i]), load(next[i]));
      } else {
        for (std::size_t i = 0; i < n; ++i) sums[i] = Op()(sums[i], load(next[i]));
      }
    }
    const void* block = sums.data();
    if constexpr (!std::is_same_v<T, Acc>) {
      for (std::size_t i = 0; i < n; ++i) results[i] = store<T>(sums[i]);
      block = results.data();
    }
    std::memcpy(static_cast<T*>(out) + begin, block, n * sizeof(T));
    if (copy != nullptr) std::memcpy(static_cast<T*>(copy) + begin, block, n * sizeof(T));
  }
}

template <class Op>
void reduce_with(std::span<const void* const> sources, std::size_t count, Dtype dtype, void* out,
                 void* copy) {
  switch (dtype) {
    case Dtype::kFloat32:
      return reduce_as<float, Op>(sources, count, out, copy);
    case Dtype::kFloat64:
      return reduce_as<double, Op>(sources, count, out, copy);
    case Dtype::kBFloat16:
      return reduce_as<BFloat16, Op>(sources, count, out, copy);
    case Dtype::kInt64:
      return reduce_as<std::int64_t, Op>(sources, count, out, copy);
  }
}

}  // namespace

void reduce(std::span<const void* const> sources, std::size_t count, Dtype dtype, Reduction reduction,
            void* out, void* copy) {
  if (reduction == Reduction::kSum) return reduce_with<Sum>(sources, count, dtype, out, copy);
  reduce_with<Max>(sources, count, dtype, out, copy);
}

}  // namespace saturn
