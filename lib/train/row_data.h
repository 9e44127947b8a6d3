// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "train/row_source.h"

namespace saturn {

/// Data as batches of a source's rows: training rows in an order by (seed, step), held-out rows spread over
/// their part.
class RowData final : public Data {
 public:
  /// `task`: batch size, seed, validation batches.
  RowData(const TaskSpec& task, const DataSplit& split, std::unique_ptr<const RowSource> source);

  GlobalBatch training_batch(std::int64_t step) const override;
  GlobalBatch validation_batch(std::int64_t index) const override;
  std::int64_t validation_batches() const override;

  std::int64_t rows() const { return rows_; }
  Batch allocate(std::int64_t rows) const { return source_->allocate(rows); }
  /// Rows [begin, end) of the training batch of `step`, into a batch of so many.
  void fill(std::int64_t step, std::int64_t begin, std::int64_t end, Batch& batch) const;

 private:
  std::int64_t validation_row(std::int64_t number) const;

  std::unique_ptr<const RowSource> source_;
  DataSplit split_;
  std::int64_t rows_;
  std::uint64_t seed_;
  std::int64_t validation_rows_;  ///< different rows in all validation batches together
};

}  // namespace saturn
