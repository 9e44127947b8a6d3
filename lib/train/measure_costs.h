// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "train/accelerator.h"
#include "train/data.h"
#include "train/model_costs.h"
#include "train/parallelism.h"

namespace saturn {

/// Runs every block of the task's model forward and backward on a few rows, one block at a time (never more
/// than one block's weights are there), blocks that are alike once; the same on every rank: rank 0's. What
/// does not fit the budget stays unknown. Errors: CommunicatorError.
ModelCosts measure_costs(const TaskSpec& task, const Data& data, const Mesh& mesh, Accelerator& accelerator);

}  // namespace saturn
