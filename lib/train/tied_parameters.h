// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Tensor.h>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "train/model.h"
#include "train/parallelism.h"

namespace saturn {

/// The parameters that stand in blocks of several stages of a pipeline (a tied embedding). Each of these
/// stages holds it whole and takes the same steps; the first of them owns it: there it counts and is saved.
class TiedParameters {
 public:
  using Stage = std::span<const std::unique_ptr<Block>>;

  /// `stages`: the blocks of each rank. Parameters of this rank are named by their index in `mine`. Keeps a
  /// reference to `mesh`.
  TiedParameters(const Mesh& mesh, const std::vector<Parameter>& mine, const std::vector<Stage>& stages);

  /// Whether this rank owns its parameter number `index`: all that are not tied, too.
  bool owns(std::size_t index) const;
  /// Those of the parameters that this rank owns. `gradients`: of all of its parameters.
  std::vector<at::Tensor> owned(const std::vector<at::Tensor>& gradients) const;

  /// Makes each tied parameter's gradient the sum over its stages, added up by the owner in their order: the
  /// same bits everywhere. Called by all ranks. Errors: CommunicatorError.
  void add_up(std::vector<at::Tensor>& gradients) const;

 private:
  struct Tied {
    std::size_t index = 0;
    std::vector<int> stages;  ///< that have it, in order
  };

  void add_up(at::Tensor& gradient, const std::vector<int>& stages) const;

  const Mesh& mesh_;
  std::vector<Tied> tied_;
};

}  // namespace saturn
