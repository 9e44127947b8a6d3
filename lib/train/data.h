// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Tensor.h>
#include <cstdint>
#include <functional>
#include <memory>

#include "workload/task.h"

namespace saturn {

/// Some rows of a global batch. Of tokens, inputs and targets: [rows, context] int64; targets are the inputs
/// one token further. Of samples: inputs [rows, ...] (images: channels, height, width) of a floating type,
/// targets [rows] int64, the classes.
struct Batch {
  at::Tensor inputs;
  at::Tensor targets;

  /// On that device; inputs that are no whole numbers in that dtype.
  Batch to(at::Device device, at::ScalarType dtype) const;
};

/// A batch of the task's batch_size rows, of which each rank makes only the rows it needs. Not owning: valid
/// as long as its Data.
class GlobalBatch {
 public:
  GlobalBatch(std::int64_t rows, std::function<Batch(std::int64_t, std::int64_t)> make)
      : rows_(rows), make_(std::move(make)) {}
  std::int64_t rows() const { return rows_; }
  /// What so many rows weigh in a mean over the batch.
  double share(std::int64_t rows) const { return static_cast<double>(rows) / static_cast<double>(rows_); }
  /// Rows [begin, end).
  Batch slice(std::int64_t begin, std::int64_t end) const { return make_(begin, end); }

 private:
  std::int64_t rows_;
  std::function<Batch(std::int64_t, std::int64_t)> make_;
};

/// A task's data, memory-mapped. The training batch is a function of (seed, step) alone, whatever the
/// parallelism and the number of ranks; validation batches are fixed.
class Data {
 public:
  virtual ~Data() = default;
  virtual GlobalBatch training_batch(std::int64_t step) const = 0;
  virtual GlobalBatch validation_batch(std::int64_t index) const = 0;
  /// At most the task's data.validation_batches; fewer when the held-out part has fewer rows, 0 when nothing
  /// is held out.
  virtual std::int64_t validation_batches() const = 0;
};

/// Errors: InputError (a file that is not what its kind says, a model that does not fit, too little for a
/// row), SystemError.
std::unique_ptr<Data> open_data(const TaskSpec& task);

/// The same, with the rows of the next step made while a step runs (prefetch.h).
std::unique_ptr<Data> open_prefetched_data(const TaskSpec& task);

/// What decides, beside the seed, which batches there are: "text of 550018 bytes, 0.05 held out, batches of
/// 16". Errors: filesystem_error.
std::string data_signature(const TaskSpec& task);

}  // namespace saturn
