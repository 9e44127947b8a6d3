// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Tensor.h>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "train/checkpoint.h"
#include "train/slice.h"
#include "workload/task.h"

namespace saturn {

/// AdamW (decoupled weight decay; Loshchilov and Hutter, arXiv 1711.05101) over slices of parameters, by
/// Torch's fused kernel. Its state is of the slices' dtype, size and device, allocated by the constructor (so
/// that a budget that is too small shows before the first step).
class AdamW {
 public:
  using MakeZeros = std::function<at::Tensor(const at::Tensor& like)>;

  /// Shares the slices' tensors. `spec`: betas, epsilon, weight decay. `make_zeros`: where the state lives,
  /// if not beside the values.
  AdamW(std::vector<Slice> slices, const OptimizerSpec& spec, const MakeZeros& make_zeros = {});

  /// One update. `gradients[i]` belongs to slice i, and is of its value's shape and dtype. Every gradient
  /// counts as gradient x `gradient_factor`, which makes averaging and clipping free of a pass of their own
  /// (see clip_factor); the gradients' values are undefined afterwards. An undefined gradient is an error
  /// (std::logic_error) that changes nothing.
  void step(const std::vector<at::Tensor>& gradients, double learning_rate, double gradient_factor = 1);
  std::int64_t steps() const { return steps_; }
  const std::vector<Slice>& slices() const { return slices_; }

  /// Slice number `slice`: "NAME", "optimizer.exp_avg.NAME" and "optimizer.exp_avg_sq.NAME".
  void save(CheckpointWriter& writer, std::size_t slice) const;
  /// All slices.
  void save(CheckpointWriter& writer) const;
  /// "optimizer.step": by one rank alone.
  void save_step(CheckpointWriter& writer) const;
  /// Everything that was saved, by any ranks; of a reader without "optimizer.step" (weights to start from)
  /// the values alone. Errors: CheckpointError (missing, other shape).
  void load(const CheckpointReader& reader);

 private:
  /// What one call of the fused kernel updates: it takes one weight decay for all its tensors.
  struct Group {
    double weight_decay = 0;
    std::vector<std::size_t> slices;
    std::vector<at::Tensor> values, exp_avg, exp_avg_sq;
  };
  /// One slice's state, shared with its group.
  struct State {
    at::Tensor exp_avg, exp_avg_sq;
  };

  void add_group(bool decay, double weight_decay);
  void update(Group& group, const std::vector<at::Tensor>& gradients, double learning_rate,
              double gradient_factor);
  /// The value and its state, by their names in a checkpoint.
  std::vector<Slice> parts_of(std::size_t slice) const;

  OptimizerSpec spec_;
  std::vector<Slice> slices_;
  std::vector<State> states_;
  std::vector<Group> groups_;
  std::int64_t steps_ = 0;
};

/// The sum of the squares of all gradients' elements, in a fixed order of additions; undefined ones count as
/// zeros. NaN or infinity when one of them is.
double squared_norm(const std::vector<at::Tensor>& gradients);

/// What gradients of norm `norm` are multiplied by so that their norm is at most `clip`; 1 when clip is 0.
double clip_factor(double norm, double clip);

}  // namespace saturn
