// SPDX-License-Identifier: Apache-2.0
// As much of CUDA's runtime and of NCCL as NcclCommunicator uses, made of threads and host memory: a stream
// is a thread that does what is queued on it, a communicator's ranks are threads of this process. For tests
// of everything around the real ones: what is queued and what waits, time limits, errors, aborts.
#pragma once

#include <cuda_runtime_api.h>
#include <nccl.h>

#include "train/collectives.h"

namespace saturn::fake_gpu {

/// The calling thread's stream; ends with the thread.
cudaStream_t current_stream();

/// From now on every communicator of that rank reports this error; ncclSuccess takes it back.
void report_error(int rank, ncclResult_t error);

/// Communicators that were neither destroyed nor aborted.
int live_communicators();

/// "GPU memory": the fake knows which addresses are its own.
class DeviceMemory final : public Memory {
 public:
  void* allocate(std::size_t bytes) override;
  void release(void* memory) override;
  void copy(void* to, const void* from, std::size_t bytes) override;
  void read(void* to, const void* from, std::size_t bytes) override;
};

}  // namespace saturn::fake_gpu
