// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "train/checkpoint.h"
#include "train/rank_context.h"

namespace saturn {

/// The newest checkpoint in `root` that is whole and of this task (model, seed, data), the same on every
/// rank; the ranks share the work of comparing its checksums. What is passed by is reported as
/// CheckpointSkipped. Empty: there is none at all. Errors: CheckpointError (there are some, and none can be
/// used), CommunicatorError.
std::optional<OpenedCheckpoint> open_latest(const RankContext& context, const std::filesystem::path& root);

}  // namespace saturn
