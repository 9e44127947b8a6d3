// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>

#include "train/rank_context.h"

namespace saturn {

/// The mean validation loss over the data's validation batches. Every rank calls. NaN when nothing is held
/// out. `after_batch` is called with the number of batches done, after each.
double validate(Trainer& trainer, const Data& data,
                const std::function<void(std::int64_t)>& after_batch = nullptr);

/// Runs the job's task on this rank from its last checkpoint to its end, or to a stop: prepares, loads,
/// reports Ready, waits for the release, trains. Every rank calls. Whatever prevents that is thrown, after
/// the other ranks have heard of it.
void run_training(const RankContext& context, const Data& data);

}  // namespace saturn
