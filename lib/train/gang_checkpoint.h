// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>

#include "train/rank_context.h"

namespace saturn {

/// Loads the newest checkpoint in `root` that is whole and of this task (model, seed, data) into the trainer,
/// the same on every rank; the ranks share the work of comparing its checksums. What is passed by is
/// reported as CheckpointSkipped. Returns its step, 0 when there is none. Errors: CheckpointError (there are
/// some, and none can be used), CommunicatorError.
std::int64_t load_latest(const RankContext& context, Trainer& trainer, const std::filesystem::path& root);

}  // namespace saturn
