// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <cuda_runtime_api.h>
#include <functional>
#include <memory>
#include <mutex>
#include <nccl.h>
#include <optional>
#include <string>
#include <thread>

#include "train/communicator.h"
#include "train/shared_segment.h"

namespace saturn {

/// Whether the memory is a GPU's own, or managed, as opposed to the host's.
bool is_gpu_memory(const void* memory);

/// Where a rank's collectives run.
struct CudaPlace {
  int device = 0;
  std::function<cudaStream_t()> current_stream;  ///< the calling thread's
};

/// Collectives between GPUs of one host by NCCL, and between the ranks' host memory by a SharedCommunicator;
/// the kind of memory decides. On the GPU they are queued on the current stream: the caller orders streams
/// and keeps the buffers alive, and results are there when the stream has come so far. barrier() waits for
/// the current stream first.
///
/// NCCL runs non-blocking, so that no call of it can hang. A thread of its own looks after what is queued: an
/// error of NCCL, an abort, a peer that died or did not come within the time limit end NCCL's kernels. What
/// they were to compute is undefined then; the next call, of whatever collective, throws the reason.
class NcclCommunicator final : public Communicator {
 public:
  /// Meets the other ranks. `host`: the gang's communicator of host memory; `segment`: what its ranks on this
  /// host share, by which a lost one is noticed. Errors: CommunicatorError.
  NcclCommunicator(std::shared_ptr<const SharedSegment> segment, std::unique_ptr<Communicator> host,
                   Seconds timeout, CudaPlace place);
  /// Waits for what is queued, unless the gang has failed.
  ~NcclCommunicator() override;

  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }

  void all_reduce(Buffer buffer, Reduction reduction) override;
  void all_gather(Buffer input, Buffer output) override;
  void reduce_scatter(Buffer input, Buffer output) override;
  void broadcast(Buffer buffer, int root) override;
  void send(Buffer buffer, int to) override;
  void receive(Buffer buffer, int from) override;
  void exchange(Buffer sent, Buffer received, int peer) override;
  void barrier() override;

  void abort(const std::string& reason) override;
  std::string aborted() const override { return host_->aborted(); }

 private:
  using Clock = std::chrono::steady_clock;
  using Queue = std::function<ncclResult_t(ncclComm_t, cudaStream_t)>;

  void meet();
  void queue(const char* what, const Queue& call);

  // All of these are called with the mutex held.
  ncclResult_t settle(Seconds limit);
  void check(const char* what, ncclResult_t result);
  void refuse_if_dead() const;
  [[noreturn]] void fail(const std::string& reason);
  void end_kernels();
  bool idle();
  void look();
  std::string lost_peer() const;
  std::string cause_of(const char* what, ncclResult_t error) const;
  void leave();

  void watch();

  std::shared_ptr<const SharedSegment> segment_;
  std::unique_ptr<Communicator> host_;
  Seconds timeout_;
  CudaPlace place_;

  mutable std::mutex mutex_;
  ncclComm_t comm_ = nullptr;     ///< null = never there, or ended
  cudaEvent_t queued_ = nullptr;  ///< behind the last collective
  std::uint64_t calls_ = 0;       ///< collectives queued so far
  std::uint64_t seen_calls_ = 0;  ///< when watched last
  Clock::time_point moved_;       ///< when something was last seen to go on
  std::optional<Clock::time_point> loss_seen_;
  bool leaving_ = false;
  std::condition_variable wake_;
  std::thread watch_;
};

}  // namespace saturn
