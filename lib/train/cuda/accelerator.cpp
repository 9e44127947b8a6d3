// SPDX-License-Identifier: Apache-2.0
#include "train/accelerator.h"

#include <ATen/Context.h>
#include <algorithm>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>
#include <cstring>
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include "base/error.h"
#include "train/cuda/nccl_communicator.h"
#include "train/hosts_communicator.h"

namespace saturn {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

constexpr c10::DeviceIndex kDevice = 0;  // the only one that this process sees

void check(cudaError_t error, const char* operation) {
  if (error == cudaSuccess) return;
  (void)cudaGetLastError();
  throw SystemError(operation, "the GPU", cudaGetErrorString(error),
                    "nvidia-smi says whether the driver works and is new enough for this CUDA");
}

/// As NCCL between ranks: on the GPU in the order of the current stream, in host memory at once.
void copy_bytes(void* to, const void* from, std::size_t bytes) {
  if (!is_gpu_memory(to)) return (void)std::memcpy(to, from, bytes);
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream), "copy on");
}

class CudaAccelerator final : public Accelerator {
 public:
  CudaAccelerator() {
    check(cudaSetDevice(kDevice), "use");
    at::globalContext().lazyInitDevice(c10::DeviceType::CUDA);
  }

  c10::Device device() const override { return {c10::DeviceType::CUDA, kDevice}; }
  void synchronize() override { c10::cuda::device_synchronize(); }

  void set_memory_budget(Bytes budget) override {
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "ask for the memory of");
    // What a GPU of another machine has is not known where the job is written.
    if (budget == 0) budget = gpu_memory_budget(static_cast<Bytes>(total));
    const double share = static_cast<double>(budget) / static_cast<double>(total);
    allocator::setMemoryFraction(std::min(share, 1.0), kDevice);
  }
  Bytes memory_in_use() const override { return allocated().current; }
  Bytes peak_memory() const override { return allocated().peak; }
  void reset_peak_memory() override { allocator::resetPeakStats(kDevice); }
  void release_freed_memory() override { allocator::emptyCache(); }

  std::unique_ptr<Communicator> make_communicator(const MeetingPlace& place) override {
    if (place.size == 1) return make_single_communicator(copy_bytes);
    auto segment = place.hosts
                       ? segment_of_host(place.rendezvous, place.rank, *place.hosts, place.generation)
                       : std::make_shared<const SharedSegment>(place.rendezvous, place.size,
                                                               SegmentShape{.generation = place.generation});
    std::unique_ptr<Communicator> host;
    if (place.hosts) {
      host = std::make_unique<HostsCommunicator>(segment, place.rank, *place.hosts, place.timeout,
                                                 place.generation);
    } else {
      host = make_communicator_on(segment, place.rank, place.timeout);
    }
    return std::make_unique<NcclCommunicator>(
        std::move(segment), std::move(host), place.timeout,
        CudaPlace{kDevice, [] { return c10::cuda::getCurrentCUDAStream().stream(); }});
  }

 private:
  static c10::CachingAllocator::Stat allocated() {
    return allocator::getDeviceStats(kDevice)
        .allocated_bytes[static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE)];
  }
};

}  // namespace
}  // namespace saturn

SATURN_ACCELERATOR(saturn::CudaAccelerator)
