// SPDX-License-Identifier: Apache-2.0
#include "train/stage_neighbours.h"

#include <ATen/ops/empty.h>
#include <algorithm>
#include <array>
#include <iterator>

#include "train/precision.h"

namespace saturn {
namespace {

constexpr std::size_t kMostDimensions = 8;
using Header = std::array<std::int64_t, kMostDimensions>;  ///< extents; 0 after the last

Buffer buffer_of_header(Header& header) {
  return {header.data(), header.size(), Dtype::kInt64};
}

}  // namespace

void StageNeighbours::send_activation(const at::Tensor& activation) {
  announce(activation);
  mesh_.communicator->send(buffer_of(activation), next());
}

at::Tensor StageNeighbours::receive_activation(std::int64_t rows) {
  const at::Tensor activation = empty(expected_shape(rows));
  mesh_.communicator->receive(buffer_of(activation), previous());
  return activation;
}

void StageNeighbours::send_gradient(const at::Tensor& gradient) {
  mesh_.communicator->send(buffer_of(gradient), previous());
}

at::Tensor StageNeighbours::receive_gradient(const at::Tensor& like) {
  const at::Tensor gradient = empty(like.sizes());
  mesh_.communicator->receive(buffer_of(gradient), next());
  return gradient;
}

at::Tensor StageNeighbours::swap_with_next(const at::Tensor& activation, const at::Tensor& like) {
  announce(activation);
  const at::Tensor gradient = empty(like.sizes());
  mesh_.communicator->exchange(buffer_of(activation), buffer_of(gradient), next());
  return gradient;
}

at::Tensor StageNeighbours::swap_with_previous(const at::Tensor& gradient, std::int64_t rows) {
  const at::Tensor activation = empty(expected_shape(rows));
  mesh_.communicator->exchange(buffer_of(gradient), buffer_of(activation), previous());
  return activation;
}

at::Tensor StageNeighbours::empty(at::IntArrayRef shape) const {
  return at::empty(shape, at::TensorOptions().dtype(dtype_).device(mesh_.device));
}

void StageNeighbours::announce(const at::Tensor& activation) {
  if (!announced_.insert(activation.size(0)).second) return;
  Header header{};
  std::copy(activation.sizes().begin(), activation.sizes().end(), header.begin());
  mesh_.communicator->send(buffer_of_header(header), next());
}

const StageNeighbours::Shape& StageNeighbours::expected_shape(std::int64_t rows) {
  Shape& shape = expected_[rows];
  if (!shape.empty()) return shape;
  Header header{};
  mesh_.communicator->receive(buffer_of_header(header), previous());
  std::copy_if(header.begin(), header.end(), std::back_inserter(shape),
               [](std::int64_t extent) { return extent > 0; });
  return shape;
}

}  // namespace saturn
