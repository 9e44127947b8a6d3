// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "train/data.h"
#include "workload/dataset.h"

namespace saturn {

/// Makes rows of a task's data one at a time. Pure: may be called from several threads.
class RowSource {
 public:
  enum class Part { kTraining, kHeldOut };
  virtual ~RowSource() = default;
  /// Memory for so many rows.
  virtual Batch allocate(std::int64_t rows) const = 0;
  /// Writes row `row` of the part into place `to` of the batch. Errors: InputError (a token or a label that
  /// the model does not have).
  virtual void write(Part part, std::int64_t row, Batch& batch, std::int64_t to) const = 0;
};

/// Of the files of a dataset, mapped. Held-out rows are those after the training part, or of files of their
/// own. Pictures of unsigned bytes become numbers from -1 to 1; other numbers stay as they are.
std::unique_ptr<RowSource> make_file_rows(const Dataset& dataset, const DataSplit& split,
                                          const ModelInput& input);

/// Out of (seed, row) alone, in the form that the model takes. There is something to learn: of tokens, the
/// next one mostly follows from the one before; samples of a class share a pattern under their noise.
std::unique_ptr<RowSource> make_synthetic_rows(std::uint64_t seed, const ModelInput& input);

}  // namespace saturn
