// SPDX-License-Identifier: Apache-2.0
#include "buckets.h"

#include <ATen/ops/empty.h>
#include <algorithm>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

namespace saturn::ddp {
namespace {

/// The first bucket is small, so that the reductions begin early.
constexpr std::int64_t kFirstBucketBytes = 1 << 20;

class GradientHook final : public torch::autograd::PostAccumulateGradHook {
 public:
  explicit GradientHook(std::function<void()> body) : body_(std::move(body)) {}
  void operator()(const at::Tensor&) override { body_(); }

 private:
  std::function<void()> body_;
};

}  // namespace

Reducer::Reducer(Communicator& communicator, bool threaded) : communicator_(communicator) {
  if (threaded) thread_ = std::thread([this] { work(); });
}

Reducer::~Reducer() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Reducer::submit(Buffer buffer) {
  if (!thread_.joinable()) return communicator_.all_reduce(buffer, Reduction::kSum);
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(buffer);
  }
  changed_.notify_all();
}

void Reducer::wait() {
  if (!thread_.joinable()) return;
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return error_ != nullptr || (queue_.empty() && !busy_); });
  if (error_ != nullptr) std::rethrow_exception(error_);
}

void Reducer::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return leaving_ || !queue_.empty(); });
    if (leaving_) return;
    const Buffer buffer = queue_.front();
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    std::exception_ptr error;
    try {
      communicator_.all_reduce(buffer, Reduction::kSum);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    busy_ = false;
    if (error != nullptr) error_ = error, queue_.clear();
    changed_.notify_all();
  }
}

Buckets::Buckets(const std::vector<Parameter>& parameters, std::int64_t bucket_bytes, Reducer& reducer)
    : reducer_(reducer) {
  assign(parameters, bucket_bytes);
  allocate();
  watch();
}

Buckets::~Buckets() {
  // The hooks point here.
  for (Slot& slot : slots_) torch::autograd::impl::set_post_acc_grad_hooks(slot.parameter, nullptr);
}

void Buckets::assign(const std::vector<Parameter>& parameters, std::int64_t bucket_bytes) {
  std::int64_t limit = std::min(kFirstBucketBytes, bucket_bytes);
  for (auto parameter = parameters.rbegin(); parameter != parameters.rend(); ++parameter) {
    const at::Tensor& tensor = parameter->tensor;
    if (buckets_.empty() || buckets_.back().elements * static_cast<std::int64_t>(sizeof(float)) >= limit) {
      if (!buckets_.empty()) limit = bucket_bytes;
      buckets_.emplace_back();
    }
    Bucket& bucket = buckets_.back();
    slots_.push_back({tensor, {}, buckets_.size() - 1, false});
    bucket.elements += tensor.numel();
    ++bucket.slots;
  }
}

void Buckets::allocate() {
  for (Bucket& bucket : buckets_) bucket.flat = at::empty({bucket.elements}, at::kFloat);
  std::vector<std::int64_t> used(buckets_.size());
  for (Slot& slot : slots_) {
    const std::int64_t count = slot.parameter.numel();
    slot.view = buckets_[slot.bucket].flat.narrow(0, used[slot.bucket], count).view(slot.parameter.sizes());
    used[slot.bucket] += count;
  }
}

void Buckets::watch() {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    torch::autograd::impl::set_post_acc_grad_hooks(slots_[i].parameter,
                                                   std::make_unique<GradientHook>([this, i] {
                                                     if (armed_) take(i);
                                                   }));
  }
}

void Buckets::arm() {
  armed_ = true;
  submitted_ = 0;
  for (Slot& slot : slots_) slot.full = false;
  for (Bucket& bucket : buckets_) bucket.missing = bucket.slots;
}

void Buckets::take(std::size_t index) {
  Slot& slot = slots_[index];
  if (slot.full) return;
  const at::Tensor& gradient = slot.parameter.grad();
  if (gradient.defined()) {
    slot.view.copy_(gradient);
  } else {
    slot.view.zero_();
  }
  slot.parameter.mutable_grad() = slot.view;  // frees the original
  slot.full = true;
  --buckets_[slot.bucket].missing;
  submit_full();
}

void Buckets::submit_full() {
  while (submitted_ < buckets_.size() && buckets_[submitted_].missing == 0) {
    const Bucket& bucket = buckets_[submitted_++];
    reducer_.submit({bucket.flat.data_ptr(), static_cast<std::size_t>(bucket.elements), Dtype::kFloat32});
  }
}

void Buckets::finish() {
  for (std::size_t i = 0; i < slots_.size(); ++i) take(i);
  armed_ = false;
  reducer_.wait();
}

}  // namespace saturn::ddp
