// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace saturn {

/// Place `index` of the order in which `count` items are visited in pass `epoch`: for every (seed, epoch) a
/// permutation of [0, count), computed without a table. 0 <= index < count.
std::uint64_t shuffled(std::uint64_t index, std::uint64_t count, std::uint64_t seed, std::uint64_t epoch);

/// The block that row `row` of the batch of step `step` reads, when each of `blocks` blocks is visited once
/// in every pass: a function of these numbers alone. Passes follow each other without regard to batches, so a
/// batch can be larger than `blocks` or span two passes.
std::int64_t training_block(std::uint64_t seed, std::int64_t step, std::int64_t row, std::int64_t batch_size,
                            std::int64_t blocks);

/// Number `index` of `count` blocks spread evenly over `blocks`; all different when count <= blocks.
std::int64_t validation_block(std::int64_t index, std::int64_t count, std::int64_t blocks);

}  // namespace saturn
