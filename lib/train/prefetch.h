// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "train/row_data.h"

namespace saturn {

/// The same batches, whose rows are made while the step before runs: in a thread, the slices of step + 1 that
/// were asked for in the step before `step`. Whoever asks for other slices gets them all the same, made on
/// the spot. Memory for the rows of one more step is taken, in the thread that calls training_batch, so that
/// a budget is passed at the same step every time. What making a slice throws comes out of the call that asks
/// for it. The thread ends with the object.
std::unique_ptr<Data> prefetched(std::unique_ptr<const RowData> data);

}  // namespace saturn
