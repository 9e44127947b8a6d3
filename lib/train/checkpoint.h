// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Tensor.h>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"

namespace saturn {

/// Collects the tensors that this rank contributes to a checkpoint. The tensors are not copied: they must
/// stay unchanged until the checkpoint is written.
class CheckpointWriter {
 public:
  virtual ~CheckpointWriter() = default;
  virtual void add(const std::string& name, const at::Tensor& tensor) = 0;
};

/// A checkpoint opened for reading, memory-mapped. Errors: CheckpointError from every method when it is
/// damaged.
class CheckpointReader {
 public:
  virtual ~CheckpointReader() = default;
  virtual bool has(const std::string& name) const = 0;
  /// A view of the mapped file, valid as long as the reader: copy what is kept. Errors: CheckpointError
  /// (missing name).
  virtual at::Tensor tensor(const std::string& name) const = 0;
};

class CheckpointError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace saturn
