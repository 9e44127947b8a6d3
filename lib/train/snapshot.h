// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <vector>

#include "train/checkpoint.h"

namespace saturn {

/// A copy of a rank's shard in host memory outside of every budget (host_empty), so that training can go on
/// while it is written. The memory is kept for the next one.
class Snapshot {
 public:
  /// `device`: where the tensors live that will be copied.
  explicit Snapshot(at::Device device) : device_(device) {}

  /// Fetches the memory for as much from the machine: the first touch of new pages takes longer than a copy,
  /// and can be over before one is due. Errors: c10::OutOfMemoryError (then it has none).
  void reserve(Bytes bytes);
  /// Copies the shard's values. Errors: c10::OutOfMemoryError (then it is empty).
  void take(const ShardWriter& shard);
  const std::vector<TensorPart>& parts() const { return parts_; }
  /// What the memory that it has can hold.
  Bytes capacity() const { return memory_.defined() ? static_cast<Bytes>(memory_.nbytes()) : 0; }
  /// What it needs for this shard.
  static Bytes bytes_for(const ShardWriter& shard);

 private:
  at::Device device_;
  at::Tensor memory_;
  std::vector<TensorPart> parts_;
};

}  // namespace saturn
