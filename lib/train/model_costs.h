// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "base/units.h"
#include "train/keep.h"

namespace saturn {

/// What one block of a model's chain takes, measured with one micro-batch on one device. 0 = not known.
struct BlockCost {
  std::int64_t parameters = 0;  ///< elements; those that stand in an earlier block, too, do not count
  Bytes activation_bytes = 0;   ///< kept from forward to backward: its output included, its input not
  Bytes output_bytes = 0;       ///< what goes to the next block
  double forward_seconds = 0;
  double backward_seconds = 0;
};

/// The measured costs of a model, for guesses at how long a step takes and how much memory it needs: they
/// order the candidates of a search, and divide a chain among devices. What is planned with is measured.
struct ModelCosts {
  std::int64_t rows = 1;               ///< of the micro-batch that was measured
  std::vector<BlockCost> blocks;       ///< in chain order; the last includes the loss
  double copy_bytes_per_second = 4e9;  ///< from one device's memory to another's, or to the host's

  std::int64_t parameters() const;
  /// Forward and backward of all blocks.
  double step_seconds(std::int64_t of_rows) const;
  /// Kept for the backward pass: everything of all blocks, or (activation checkpointing) what goes from block
  /// to block and everything of the largest.
  Bytes kept_bytes(std::int64_t of_rows, Keep keep) const;
};

}  // namespace saturn
