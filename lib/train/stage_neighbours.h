// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Tensor.h>
#include <map>
#include <set>
#include <vector>

#include "train/parallelism.h"

namespace saturn {

/// Sends activations and gradients between the stages of a pipeline, rank r being stage r. An activation's
/// first extent is its rows; what comes has the shape that the sender tells at the first activation of so
/// many rows. A gradient has the shape of the activation that it belongs to. Errors: CommunicatorError.
class StageNeighbours {
 public:
  /// Of a stage whose activations have this type. Keeps a reference to `mesh`.
  StageNeighbours(const Mesh& mesh, at::ScalarType dtype) : mesh_(mesh), dtype_(dtype) {}

  void send_activation(const at::Tensor& activation);
  at::Tensor receive_activation(std::int64_t rows);
  void send_gradient(const at::Tensor& gradient);
  at::Tensor receive_gradient(const at::Tensor& like);

  /// Sends the activation and receives the gradient of another one, at the same time.
  at::Tensor swap_with_next(const at::Tensor& activation, const at::Tensor& like);
  /// Sends the gradient and receives an activation of so many rows, at the same time.
  at::Tensor swap_with_previous(const at::Tensor& gradient, std::int64_t rows);

 private:
  using Shape = std::vector<std::int64_t>;

  at::Tensor empty(at::IntArrayRef shape) const;
  void announce(const at::Tensor& activation);
  const Shape& expected_shape(std::int64_t rows);
  int next() const { return mesh_.rank + 1; }
  int previous() const { return mesh_.rank - 1; }

  const Mesh& mesh_;
  at::ScalarType dtype_;
  std::set<std::int64_t> announced_;        ///< rows
  std::map<std::int64_t, Shape> expected_;  ///< by rows
};

}  // namespace saturn
