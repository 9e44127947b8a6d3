// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

#include "train/communicator.h"

namespace saturn {

/// Combines `count` elements of every source, element by element, in the order of the sources: the same
/// sources give the same bits whoever calls. bfloat16 is added in float and rounded once. `out` may be one of
/// the sources; `copy`, when not null, receives the result too.
void reduce(std::span<const void* const> sources, std::size_t count, Dtype dtype, Reduction reduction,
            void* out, void* copy = nullptr);

/// The precision that sums are made in: float32 for bfloat16, else the dtype itself.
Dtype sum_dtype(Dtype dtype);

/// A reduction that goes on elsewhere: `before`, the elements so far in `sum_dtype(dtype)` (null: none), then
/// the sources in their order, into `out` in `sum_dtype(dtype)`. `out` may be `before`.
void reduce_further(const void* before, std::span<const void* const> sources, std::size_t count, Dtype dtype,
                    Reduction reduction, void* out);
/// The same as its last part: into `out` (and `copy`, when not null) in `dtype`. What began as `reduce` over
/// some sources and went on over others has the bits that `reduce` over all of them has.
void reduce_last(const void* before, std::span<const void* const> sources, std::size_t count, Dtype dtype,
                 Reduction reduction, void* out, void* copy = nullptr);

}  // namespace saturn
