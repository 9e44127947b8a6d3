// SPDX-License-Identifier: Apache-2.0
#include "train/row_data.h"

#include <algorithm>
#include <utility>

#include "train/data_order.h"

namespace saturn {

RowData::RowData(const TaskSpec& task, const DataSplit& split, std::unique_ptr<const RowSource> source)
    : source_(std::move(source)),
      split_(split),
      rows_(task.batch_size),
      seed_(task.seed),
      validation_rows_(std::min(task.data.validation_batches * task.batch_size, split.validation_rows)) {}

void RowData::fill(std::int64_t step, std::int64_t begin, std::int64_t end, Batch& batch) const {
  for (std::int64_t row = begin; row < end; ++row)
    source_->write(RowSource::Part::kTraining, training_block(seed_, step, row, rows_, split_.training_rows),
                   batch, row - begin);
}

GlobalBatch RowData::training_batch(std::int64_t step) const {
  return {rows_, [this, step](std::int64_t begin, std::int64_t end) {
            Batch batch = allocate(end - begin);
            fill(step, begin, end, batch);
            return batch;
          }};
}

GlobalBatch RowData::validation_batch(std::int64_t index) const {
  return {rows_, [this, index](std::int64_t begin, std::int64_t end) {
            Batch batch = allocate(end - begin);
            for (std::int64_t row = begin; row < end; ++row)
              source_->write(RowSource::Part::kHeldOut, validation_row(index * rows_ + row), batch,
                             row - begin);
            return batch;
          }};
}

std::int64_t RowData::validation_batches() const {
  return (validation_rows_ + rows_ - 1) / rows_;
}

/// Every batch has all its rows, as its parts must divide among devices: the last one begins again.
std::int64_t RowData::validation_row(std::int64_t number) const {
  return validation_block(number % validation_rows_, validation_rows_, split_.validation_rows);
}

}  // namespace saturn
