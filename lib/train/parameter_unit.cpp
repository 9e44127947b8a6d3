// SPDX-License-Identifier: Apache-2.0
#include "train/parameter_unit.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <algorithm>
#include <c10/core/GradMode.h>

#include "train/gradient_hook.h"
#include "train/host_memory.h"

namespace saturn {
namespace {

/// Every part begins at a multiple of so many elements: whole cache lines and vectors.
constexpr std::int64_t kAlignedElements = 64;

/// The same memory with a history of its own: what is written through it is no change that autograd sees.
/// Gathering brings back what was there before.
at::Tensor alias(const at::Tensor& tensor) {
  return tensor.variable_data();
}

}  // namespace

ParameterUnit::ParameterUnit(const std::vector<Parameter>& parameters, const UnitPlacement& placement,
                             Seed seed)
    : placement_(placement) {
  lay_out(parameters);
  make_parts(seed);
  make_leaves();
}

ParameterUnit::~ParameterUnit() {
  for (const at::Tensor& leaf : leaves_) on_gradient(leaf, {});
}

void ParameterUnit::lay_out(const std::vector<Parameter>& parameters) {
  std::int64_t elements = 0;
  for (const Parameter& parameter : parameters) {
    places_.push_back({parameter, elements});
    elements += parameter.elements();
  }
  const std::int64_t step = kAlignedElements * placement_.ranks;
  part_elements_ = (elements + step - 1) / step * kAlignedElements;
}

void ParameterUnit::make_parts(Seed seed) {
  const auto make = [&] {
    return placement_.host
               ? host_empty({part_elements_}, placement_.precision.master, placement_.device).zero_()
               : at::zeros({part_elements_},
                           at::TensorOptions().dtype(placement_.precision.master).device(placement_.device));
  };
  part_ = make();
  gradient_part_ = make();
  if (!seed) return;
  for (const Place& place : places_) {
    const Range range = mine(place);
    if (range.empty()) continue;
    const at::Tensor value = initial_value(place.parameter, seed).reshape(-1);
    part_of(part_, range).copy_(value.narrow(0, range.begin - place.offset, range.end - range.begin));
  }
}

void ParameterUnit::make_leaves() {
  const std::int64_t elements = part_elements_ * placement_.ranks;
  whole_ = empty(elements, placement_.precision.compute);
  for (std::size_t i = 0; i < places_.size(); ++i) {
    const Parameter& parameter = places_[i].parameter;
    const at::Tensor view =
        alias(whole_).narrow(0, places_[i].offset, parameter.elements()).view(parameter.shape);
    leaves_.push_back(view.detach().set_requires_grad(true));
    on_gradient(leaves_.back(), [this, i] { take(i); });
  }
  allocated_ = true;
  release();
}

ParameterUnit::Range ParameterUnit::mine(const Place& place) const {
  const std::int64_t begin = part_elements_ * placement_.rank;
  return {std::max(begin, place.offset),
          std::min(begin + part_elements_, place.offset + place.parameter.elements())};
}

at::Tensor ParameterUnit::part_of(const at::Tensor& mine_of_all, Range range) const {
  return mine_of_all.narrow(0, range.begin - part_elements_ * placement_.rank, range.end - range.begin);
}

at::Tensor ParameterUnit::empty(std::int64_t elements, at::ScalarType dtype) const {
  return at::empty({elements}, at::TensorOptions().dtype(dtype).device(placement_.device));
}

std::vector<Slice> ParameterUnit::slices() const {
  std::vector<Slice> slices;
  for (const Place& place : places_) {
    const Range range = mine(place);
    if (range.empty()) continue;
    const Parameter& parameter = place.parameter;
    slices.push_back({parameter.name, parameter.shape, range.begin - place.offset, parameter.decay,
                      part_of(part_, range)});
  }
  return slices;
}

std::vector<at::Tensor> ParameterUnit::gradients() const {
  std::vector<at::Tensor> gradients;
  for (const Place& place : places_) {
    const Range range = mine(place);
    if (!range.empty()) gradients.push_back(part_of(gradient_part_, range));
  }
  return gradients;
}

/// The leaves' storage stays the same and gets memory: tensors that the forward pass kept see it, too.
void ParameterUnit::allocate() {
  if (allocated_) return;
  auto* storage = whole_.storage().unsafeGetStorageImpl();
  const auto bytes = static_cast<std::size_t>(whole_.numel()) * whole_.element_size();
  storage->set_data_ptr_noswap(storage->allocator()->allocate(bytes));
  storage->set_nbytes(bytes);
  allocated_ = true;
}

void ParameterUnit::release() {
  if (!allocated_) return;
  auto* storage = whole_.storage().unsafeGetStorageImpl();
  storage->set_data_ptr_noswap(at::DataPtr(nullptr, placement_.device));
  storage->set_nbytes(0);
  allocated_ = false;
}

void ParameterUnit::gather(Communicator& communicator) {
  const c10::NoGradGuard no_gradients;
  const at::Tensor whole = alias(whole_);
  if (placement_.ranks == 1) {
    whole.copy_(part_, /*non_blocking=*/true);
    return;
  }
  at::Tensor part = part_;
  if (placement_.host || placement_.precision.mixed()) {
    part = empty(part_elements_, placement_.precision.compute);
    part.copy_(part_, /*non_blocking=*/true);
  }
  communicator.all_gather(buffer_of(part), buffer_of(whole));
}

void ParameterUnit::open_gradient(std::function<void()> before) {
  before_gradient_ = std::move(before);
  taken_.assign(places_.size(), false);
}

void ParameterUnit::make_gradient() {
  if (gradient_.defined()) return;
  before_gradient_();
  gradient_ = empty(part_elements_ * placement_.ranks, placement_.precision.master);
}

void ParameterUnit::take(std::size_t index) {
  const c10::NoGradGuard no_gradients;
  make_gradient();
  const at::Tensor view =
      gradient_.narrow(0, places_[index].offset, leaves_[index].numel()).view(leaves_[index].sizes());
  const at::Tensor& piece = leaves_[index].grad();
  taken_[index] ? view.add_(piece) : view.copy_(piece);
  taken_[index] = true;
  leaves_[index].mutable_grad().reset();
}

at::Tensor ParameterUnit::close_gradient() {
  make_gradient();
  for (std::size_t i = 0; i < places_.size(); ++i)
    if (!taken_[i]) gradient_.narrow(0, places_[i].offset, leaves_[i].numel()).zero_();
  return std::move(gradient_);
}

void ParameterUnit::scatter(Communicator& communicator, const at::Tensor& whole) {
  const c10::NoGradGuard no_gradients;
  at::Tensor part = whole;
  const bool direct = !placement_.host && !summed_;
  if (placement_.ranks > 1) {
    part = direct ? gradient_part_ : empty(part_elements_, placement_.precision.master);
    communicator.reduce_scatter(buffer_of(whole), buffer_of(part));
  }
  // Sums are made on the device, in the order of its stream: the host's memory is only written.
  if (summed_) part.add_(gradient_part_.to(placement_.device, /*non_blocking=*/true));
  if (part.data_ptr() != gradient_part_.data_ptr()) gradient_part_.copy_(part, /*non_blocking=*/true);
  summed_ = true;
}

}  // namespace saturn
