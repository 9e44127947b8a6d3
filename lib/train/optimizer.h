// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Tensor.h>
#include <cstdint>
#include <optional>
#include <vector>

#include "train/checkpoint.h"
#include "train/model.h"
#include "workload/task.h"

namespace saturn {

/// AdamW (decoupled weight decay) over the gradients that lie in `tensor.grad()` of its parameters, by
/// Torch's fused kernel. Its state is float32, of the parameters' shapes, allocated by the constructor (so
/// that a budget that is too small shows before the first step).
class AdamW {
 public:
  /// Shares the parameters' tensors. `spec`: betas, epsilon, weight decay.
  AdamW(std::vector<Parameter> parameters, const OptimizerSpec& spec);

  /// One update. Every gradient counts as gradient x `gradient_factor`, which makes averaging and clipping
  /// free of a pass of their own (see clip_factor); the gradients' values are undefined afterwards. A
  /// parameter without a gradient is an error (std::logic_error).
  void step(double learning_rate, double gradient_factor = 1);
  /// Drops the gradients: the next backward pass lays down fresh ones.
  void clear_gradients();
  std::int64_t steps() const { return steps_; }

  /// "optimizer.exp_avg.NAME", "optimizer.exp_avg_sq.NAME" of every parameter and "optimizer.step".
  void save(CheckpointWriter& writer) const;
  /// Errors: CheckpointError (missing, other shape).
  void load(const CheckpointReader& reader);

 private:
  /// What one call of the fused kernel updates: it takes one weight decay for all its tensors.
  struct Group {
    double weight_decay = 0;
    std::vector<Parameter> parameters;
    std::vector<at::Tensor> tensors, exp_avg, exp_avg_sq;
  };

  void add_group(std::vector<Parameter> parameters, double weight_decay);
  void update(Group& group, const std::vector<at::Tensor>& gradients, double learning_rate,
              const std::optional<at::Tensor>& divisor);

  OptimizerSpec spec_;
  std::vector<Group> groups_;
  std::int64_t steps_ = 0;
};

/// The 2-norm of all gradients together, in a fixed order of additions. NaN or infinity when one of them is.
double gradient_norm(const std::vector<Parameter>& parameters);

/// What gradients of norm `norm` are multiplied by so that their norm is at most `clip`; 1 when clip is 0.
double clip_factor(double norm, double clip);

}  // namespace saturn
