// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <variant>

#include "launch/event.h"
#include "train/rank_context.h"

namespace saturn {

/// Writes a checkpoint of all ranks together into `root` and keeps the newest `job.keep_checkpoints`. A disk
/// that is full or gone is an outcome, the same on every rank; what was there before is left. Errors:
/// CommunicatorError, CheckpointError (a tensor is in two ranks' parts), and whatever Trainer::save throws.
/// To be called inside with_abort: what one rank throws the others do not see here.
[[nodiscard]] std::variant<Checkpointed, CheckpointFailed> write_checkpoint(const RankContext& context,
                                                                            Trainer& trainer,
                                                                            const std::filesystem::path& root,
                                                                            std::int64_t step);

/// Loads the newest whole checkpoint in `root` into the trainer, the same on every rank; returns its step, 0
/// when there is none. Errors: CheckpointError (of another seed or model; there are some and none is whole),
/// CommunicatorError.
std::int64_t load_latest(const RankContext& context, Trainer& trainer, const std::filesystem::path& root);

}  // namespace saturn
