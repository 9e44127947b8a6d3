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

}  // namespace saturn
