// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <cstdint>
#include <functional>
#include <vector>

#include "train/communicator.h"
#include "train/precision.h"
#include "train/slice.h"

namespace saturn {

/// Where a unit's parts live.
struct UnitPlacement {
  at::Device device = at::kCPU;  ///< where it is whole
  bool host = false;             ///< this rank's part is in host memory, outside of the device's
  Precision precision;
  int rank = 0, ranks = 1;
};

/// Some parameters laid end to end and divided evenly among the ranks, whatever their borders (ZeRO,
/// Rajbhandari et al., arXiv 1910.02054; flat parameters, Zhao et al., arXiv 2304.11277). Each rank keeps its
/// part of the weights and of the gradient for good; the whole weights are there from `allocate` and `gather`
/// to `release`, a whole gradient from its first piece to `close_gradient`. Methods that take a communicator
/// may run beside the computation (CommunicationQueue); the others are called by one thread.
class ParameterUnit {
 public:
  /// The values are functions of (seed, name); never more than one parameter is whole here.
  ParameterUnit(const std::vector<Parameter>& parameters, const UnitPlacement& placement, Seed seed);
  ~ParameterUnit();
  ParameterUnit(const ParameterUnit&) = delete;
  ParameterUnit& operator=(const ParameterUnit&) = delete;

  /// The parameters as views of the whole, in the order given: leaves, the same for the unit's life.
  const std::vector<at::Tensor>& leaves() const { return leaves_; }
  /// This rank's part of every parameter that it has some of, and the gradient of each.
  std::vector<Slice> slices() const;
  std::vector<at::Tensor> gradients() const;

  bool allocated() const { return allocated_; }
  void allocate();
  void release();
  /// Fills the whole out of the ranks' parts.
  void gather(Communicator& communicator);

  /// The next backward passes begin a new sum of gradients.
  void begin_step() { summed_ = false; }
  /// From now on the leaves' gradients are moved into one whole gradient as they are made. `before`: called
  /// before memory is taken for it, at the first piece.
  void open_gradient(std::function<void()> before);
  /// The whole gradient of one backward pass; what no piece came for is zeros.
  [[nodiscard]] at::Tensor close_gradient();
  /// Adds up the ranks' whole gradients, of which each keeps its part.
  void scatter(Communicator& communicator, const at::Tensor& whole);

 private:
  struct Place {
    Parameter parameter;
    std::int64_t offset = 0;  ///< in the whole
  };
  /// The elements of a place that are this rank's: [begin, end) of the whole.
  struct Range {
    std::int64_t begin = 0, end = 0;
    bool empty() const { return begin >= end; }
  };

  void lay_out(const std::vector<Parameter>& parameters);
  void make_parts(Seed seed);
  void make_leaves();
  void make_gradient();
  void take(std::size_t index);
  Range mine(const Place& place) const;
  at::Tensor part_of(const at::Tensor& mine_of_all, Range range) const;
  at::Tensor empty(std::int64_t elements, at::ScalarType dtype) const;

  UnitPlacement placement_;
  std::vector<Place> places_;
  std::int64_t part_elements_ = 0;
  at::Tensor part_, gradient_part_;  ///< this rank's: master precision
  at::Tensor whole_;                 ///< compute precision; its memory comes and goes
  std::vector<at::Tensor> leaves_;
  at::Tensor gradient_;  ///< whole: master precision
  std::vector<bool> taken_;
  std::function<void()> before_gradient_;
  bool allocated_ = false, summed_ = false;
};

}  // namespace saturn
