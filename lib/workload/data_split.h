// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

namespace saturn {

/// How data are divided: the training part comes first, the held-out part is the end, or files of its own.
/// Sizes are in tokens for a stream of tokens, which is cut into rows, and in samples otherwise. `saturn`
/// counts steps with it and the worker makes batches with it, so that both always agree.
struct DataSplit {
  std::int64_t training_size = 0;
  std::int64_t validation_size = 0;
  std::int64_t training_rows = 0;  ///< different rows that batches can have
  std::int64_t validation_rows = 0;
};

/// Rows in `size` tokens or samples. `length` > 0: of a stream, rows of so many tokens, each with the token
/// after it (the last target); 0: every sample is a row.
inline std::int64_t rows_in(std::int64_t size, std::int64_t length) {
  if (length == 0) return size;
  return size > length ? (size - 1) / length : 0;
}

/// Holds out floor(total x validation_fraction). 0 <= validation_fraction < 1.
inline DataSplit split_data(std::int64_t total, double validation_fraction, std::int64_t length) {
  DataSplit split;
  split.validation_size =
      static_cast<std::int64_t>(std::floor(static_cast<double>(total) * validation_fraction));
  split.training_size = total - split.validation_size;
  split.training_rows = rows_in(split.training_size, length);
  split.validation_rows = rows_in(split.validation_size, length);
  return split;
}

/// With files of its own for validation.
inline DataSplit split_of_files(std::int64_t training, std::int64_t validation, std::int64_t length) {
  return {training, validation, rows_in(training, length), rows_in(validation, length)};
}

/// Steps in `epochs` passes over the training part, at least one.
inline std::int64_t steps_in_epochs(const DataSplit& split, double epochs, std::int64_t batch_size,
                                    std::int64_t length) {
  const double size = epochs * static_cast<double>(split.training_size);
  const double size_of_row = length == 0 ? 1 : static_cast<double>(length);
  const auto steps =
      static_cast<std::int64_t>(std::floor(size / (static_cast<double>(batch_size) * size_of_row)));
  return steps < 1 ? 1 : steps;
}

}  // namespace saturn
