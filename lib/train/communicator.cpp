// SPDX-License-Identifier: Apache-2.0
#include "train/communicator.h"

#include <cstring>
#include <mutex>

namespace saturn {
namespace {

class SingleCommunicator final : public Communicator {
 public:
  explicit SingleCommunicator(CopyBytes copy) : copy_bytes_(std::move(copy)) {}

  int rank() const override { return 0; }
  int size() const override { return 1; }

  void all_reduce(Buffer, Reduction) override { check(); }
  void all_gather(Buffer input, Buffer output) override { copy(input, output); }
  void reduce_scatter(Buffer input, Buffer output) override { copy(input, output); }
  void broadcast(Buffer, int) override { check(); }
  void send(Buffer, int) override { throw std::logic_error("a gang of one has nobody to send to"); }
  void receive(Buffer, int) override { throw std::logic_error("a gang of one has nobody to receive from"); }
  void exchange(Buffer, Buffer, int) override {
    throw std::logic_error("a gang of one has nobody to exchange with");
  }
  void barrier() override { check(); }

  void abort(const std::string& reason) override {
    const std::lock_guard lock(mutex_);
    if (reason_.empty()) reason_ = reason;
  }
  std::string aborted() const override {
    const std::lock_guard lock(mutex_);
    return reason_;
  }

 private:
  void check() const {
    const std::string reason = aborted();
    if (!reason.empty()) throw CommunicatorError(reason);
  }
  void copy(const Buffer& input, const Buffer& output) const {
    check();
    const std::size_t bytes = input.count * size_of(input.dtype);
    if (bytes > 0 && input.data != output.data) copy_bytes_(output.data, input.data, bytes);
  }

  CopyBytes copy_bytes_;
  mutable std::mutex mutex_;
  std::string reason_;
};

}  // namespace

std::size_t size_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::kFloat32:
      return 4;
    case Dtype::kFloat64:
    case Dtype::kInt64:
      return 8;
    case Dtype::kBFloat16:
      return 2;
  }
  return 0;
}

std::unique_ptr<Communicator> make_single_communicator(CopyBytes copy) {
  if (!copy) copy = [](void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); };
  return std::make_unique<SingleCommunicator>(std::move(copy));
}

}  // namespace saturn
