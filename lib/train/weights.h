// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "train/model.h"
#include "train/precision.h"
#include "train/slice.h"

namespace saturn {

/// The weights of some blocks, whole on this rank: those that forward and backward compute with, in the
/// blocks' slots, and where the precision is mixed, the masters that the optimizer updates.
class Weights {
 public:
  /// Fills the slots of the blocks (tied ones with one tensor) and their buffers: the values are functions of
  /// (seed, name). Does not own the blocks.
  Weights(std::span<const std::unique_ptr<Block>> blocks, Precision precision, at::Device device, Seed seed);

  /// Each once, in chain order; their tensors are leaves.
  const std::vector<Parameter>& parameters() const { return parameters_; }
  /// What the optimizer updates: the same tensors, or the masters.
  const std::vector<Slice>& masters() const { return masters_; }
  const std::vector<Slice>& buffers() const { return buffers_; }

  /// After the masters have changed.
  void refresh();
  /// Gradients as the backward pass left them; empty ones where it came to none.
  std::vector<at::Tensor> gradients() const;
  void clear_gradients();

 private:
  Precision precision_;
  std::vector<Parameter> parameters_;
  std::vector<Slice> masters_, buffers_;
};

}  // namespace saturn
