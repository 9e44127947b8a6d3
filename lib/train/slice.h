// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Tensor.h>
#include <cstdint>
#include <string>
#include <vector>

#include "train/checkpoint.h"
#include "train/model.h"

namespace saturn {

/// The elements of a parameter that one rank keeps and updates: all of them, or a contiguous part of the
/// flattened parameter.
struct Slice {
  std::string name;
  std::vector<std::int64_t> shape;  ///< of the whole parameter
  std::int64_t offset = 0;          ///< of the first element
  bool decay = true;
  at::Tensor value;  ///< contiguous; float32, or float64 when the task trains in it

  bool whole() const;
};

/// The whole parameter, with `value` for its elements.
Slice whole_slice(const Parameter& parameter, const at::Tensor& value);

/// Adds every slice under its name: whole ones as tensors, others as parts.
void save_slices(const std::vector<Slice>& slices, CheckpointWriter& writer);
/// Copies every slice's elements out of the checkpoint. Errors: CheckpointError (missing, or of another shape
/// than the whole parameter).
void load_slices(const std::vector<Slice>& slices, const CheckpointReader& reader);

/// Compares names and shapes with the model's `tensors`; those named "optimizer.*" are left alone. Errors:
/// CheckpointError that names the first that are missing, unknown or of another shape.
void check_fits(const std::vector<Parameter>& tensors, const CheckpointReader& reader);

/// Which of `ranks` ranks writes each of the slices that all of them have, so that all write about as much.
std::vector<int> writers_of(const std::vector<Slice>& slices, int ranks);

}  // namespace saturn
