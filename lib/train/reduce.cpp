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

/// What is combined: `before`, then the sources.
struct Terms {
  const void* before = nullptr;  ///< in the precision of sums
  std::span<const void* const> sources;
  std::size_t count = 0;
};

/// Out: the type of the results, that of the elements or that of their sums.
template <class T, class Out, class Op>
void reduce_as(const Terms& terms, void* out, void* copy) {
  using Acc = decltype(load(T{}));
  std::array<Acc, kBlock> sums;
  std::array<Out, kBlock> results;
  const auto& sources = terms.sources;
  for (std::size_t begin = 0; begin < terms.count; begin += kBlock) {
    const std::size_t n = std::min(kBlock, terms.count - begin);
    const auto source = [&](std::size_t s) { return static_cast<const T*>(sources[s]) + begin; };
    std::size_t next = 1;
    if (terms.before != nullptr) {
      const Acc* before = static_cast<const Acc*>(terms.before) + begin;
      const T* first = source(0);
      for (std::size_t i = 0; i < n; ++i) sums[i] = Op()(before[i], load(first[i]));
    } else if (sources.size() > 1) {  // one pass less than starting from a copy of the first
      const T *first = source(0), *second = source(1);
      for (std::size_t i = 0; i < n; ++i) sums[i] = Op()(load(first[i]), load(second[i]));
      next = 2;
    } else {
      const T* first = source(0);
      for (std::size_t i = 0; i < n; ++i) sums[i] = load(first[i]);
    }
    for (std::size_t s = next; s < sources.size(); ++s) {
      const T* more = source(s);
      for (std::size_t i = 0; i < n; ++i) sums[i] = Op()(sums[i], load(more[i]));
    }
    const void* block = sums.data();
    if constexpr (!std::is_same_v<Out, Acc>) {
      for (std::size_t i = 0; i < n; ++i) results[i] = store<Out>(sums[i]);
      block = results.data();
    }
    std::memcpy(static_cast<Out*>(out) + begin, block, n * sizeof(Out));
    if (copy != nullptr) std::memcpy(static_cast<Out*>(copy) + begin, block, n * sizeof(Out));
  }
}

template <class Op>
void reduce_with(const Terms& terms, Dtype dtype, bool last, void* out, void* copy) {
  switch (dtype) {
    case Dtype::kFloat32:
      return reduce_as<float, float, Op>(terms, out, copy);
    case Dtype::kFloat64:
      return reduce_as<double, double, Op>(terms, out, copy);
    case Dtype::kBFloat16:
      if (!last) return reduce_as<BFloat16, float, Op>(terms, out, copy);
      return reduce_as<BFloat16, BFloat16, Op>(terms, out, copy);
    case Dtype::kInt64:
      return reduce_as<std::int64_t, std::int64_t, Op>(terms, out, copy);
  }
}

void reduce_terms(const Terms& terms, Dtype dtype, Reduction reduction, bool last, void* out, void* copy) {
  if (reduction == Reduction::kSum) return reduce_with<Sum>(terms, dtype, last, out, copy);
  reduce_with<Max>(terms, dtype, last, out, copy);
}

}  // namespace

void reduce(std::span<const void* const> sources, std::size_t count, Dtype dtype, Reduction reduction,
            void* out, void* copy) {
  reduce_terms({nullptr, sources, count}, dtype, reduction, /*last=*/true, out, copy);
}

Dtype sum_dtype(Dtype dtype) {
  return dtype == Dtype::kBFloat16 ? Dtype::kFloat32 : dtype;
}

void reduce_further(const void* before, std::span<const void* const> sources, std::size_t count, Dtype dtype,
                    Reduction reduction, void* out) {
  reduce_terms({before, sources, count}, dtype, reduction, /*last=*/false, out, nullptr);
}

void reduce_last(const void* before, std::span<const void* const> sources, std::size_t count, Dtype dtype,
                 Reduction reduction, void* out, void* copy) {
  reduce_terms({before, sources, count}, dtype, reduction, /*last=*/true, out, copy);
}

}  // namespace saturn
