// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <cstdlib>
#include <map>

#include "cluster/nvml.h"
#include "train/accelerator.h"
#include "train/collectives.h"
#include "train/gang.h"

namespace saturn::test {

/// The GPU of a rank; ranks share one where there are fewer.
inline Gpu gpu_of_rank(int rank) {
  const std::vector<Gpu> gpus = usable_gpus().gpus;
  return gpus[static_cast<std::size_t>(rank) % gpus.size()];
}

/// NCCL takes two ranks on one GPU for a mistake unless they seem to be on different hosts, which then talk
/// by sockets. For tests only: it is slow.
inline std::map<std::string, std::string> sharing_environment(int rank, int size) {
  if (usable_gpus().gpus.size() >= static_cast<std::size_t>(size)) return {};
  return {{"NCCL_HOSTID", "saturn-test-" + std::to_string(rank)},
          {"NCCL_NET", "Socket"},
          {"NCCL_SOCKET_IFNAME", "lo"},
          {"NCCL_P2P_DISABLE", "1"},
          {"NCCL_SHM_DISABLE", "1"}};
}

/// This process's accelerator; opened by the first to ask.
inline Accelerator& gpu(int rank = 0) {
  static Accelerator* const instance =
      open_accelerator("gpu", {.index = 0, .uuid = gpu_of_rank(rank).uuid})().release();
  return *instance;
}

inline MakeRank gpu_rank(int size, Seconds timeout = Seconds(60)) {
  return [=](const std::string& rendezvous, int rank) {
    for (const auto& [name, value] : sharing_environment(rank, size))
      ::setenv(name.c_str(), value.c_str(), 1);
    return gpu(rank).make_communicator({rendezvous, rank, size, timeout, 0});
  };
}

inline std::vector<std::string> run_on_gpus(int size, const RankBody& body, Seconds timeout = Seconds(60)) {
  return ProcessGang(size, body, gpu_rank(size, timeout)).results();
}

/// Memory of this process's GPU, as tensors.
class GpuMemory final : public Memory {
 public:
  void* allocate(std::size_t bytes) override {
    at::Tensor tensor =
        at::empty({static_cast<std::int64_t>(bytes)}, at::TensorOptions(at::kByte).device(gpu().device()));
    void* data = tensor.data_ptr();
    if (bytes > 0) tensors_[data] = std::move(tensor);
    return data;
  }
  void release(void* memory) override { tensors_.erase(memory); }
  void copy(void* to, const void* from, std::size_t bytes) override {
    if (bytes > 0) tensors_.at(to).copy_(tensor_at(from, bytes));
  }
  void read(void* to, const void* from, std::size_t bytes) override {
    if (bytes > 0) tensor_at(to, bytes).copy_(tensor_at(from, bytes));
  }

 private:
  at::Tensor tensor_at(const void* memory, std::size_t bytes) const {
    const auto found = tensors_.find(const_cast<void*>(memory));
    if (found != tensors_.end()) return found->second;
    return at::from_blob(const_cast<void*>(memory), {static_cast<std::int64_t>(bytes)}, at::kByte);
  }

  std::map<void*, at::Tensor> tensors_;
};

}  // namespace saturn::test
