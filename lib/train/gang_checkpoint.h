// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>

#include "train/rank_context.h"

namespace saturn {

/// Loads the newest whole checkpoint in `root` into the trainer, the same on every rank; the ranks share the
/// work of comparing its checksums. Returns its step, 0
/// when there is none. Errors: CheckpointError (of another seed or model; there are some and none is whole),
/// CommunicatorError.
std::int64_t load_latest(const RankContext& context, Trainer& trainer, const std::filesystem::path& root);

}  // namespace saturn
