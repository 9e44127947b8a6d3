// SPDX-License-Identifier: Apache-2.0
// NCCL as its user guide has it: "Creating a communicator with options", "Fault Tolerance", "Group Calls"
// (https://docs.nvidia.com/deeplearning/nccl/user-guide/).
#include "train/cuda/nccl_communicator.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fmt/format.h>
#include <stdexcept>

#include "train/shared_communicator.h"

namespace saturn {
namespace {

constexpr Seconds kLookEvery{0.05};
/// A peer that leaves after its part is done is missed only if this rank's part does not end soon, too.
constexpr Seconds kLossGrace{2};
constexpr Seconds kLongestFarewell{10};

ncclDataType_t nccl_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::kFloat32:
      return ncclFloat32;
    case Dtype::kFloat64:
      return ncclFloat64;
    case Dtype::kBFloat16:
      return ncclBfloat16;
    case Dtype::kInt64:
      return ncclInt64;
  }
  throw std::logic_error("an unknown dtype");
}

bool on_gpu(const Buffer& buffer) {
  return buffer.count > 0 && is_gpu_memory(buffer.data);  // for nothing at all the ranks just meet
}

bool on_gpu(const Buffer& one, const Buffer& other) {
  const bool first = on_gpu(one), second = on_gpu(other);
  if (first != second && one.count > 0 && other.count > 0) {
    throw std::logic_error("one buffer is in host memory and the other on the GPU");
  }
  return first || second;
}

std::string describe(const char* what, ncclResult_t result, ncclComm_t comm) {
  const char* detail = ncclGetLastError(comm);
  return fmt::format("{}: NCCL: {}{}{}", what, ncclGetErrorString(result),
                     detail != nullptr && *detail != '\0' ? ": " : "", detail != nullptr ? detail : "");
}

}  // namespace

bool is_gpu_memory(const void* memory) {
  cudaPointerAttributes attributes{};
  if (cudaPointerGetAttributes(&attributes, memory) != cudaSuccess) {
    (void)cudaGetLastError();  // it would stay for the next one who asks
    return false;
  }
  return attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged;
}

NcclCommunicator::NcclCommunicator(std::shared_ptr<const SharedSegment> segment,
                                   std::unique_ptr<Communicator> host, Seconds timeout, CudaPlace place)
    : segment_(std::move(segment)),
      host_(std::move(host)),
      timeout_(timeout),
      place_(std::move(place)),
      moved_(Clock::now()) {
  try {
    if (const auto error = cudaEventCreateWithFlags(&queued_, cudaEventDisableTiming); error != cudaSuccess) {
      throw CommunicatorError(fmt::format("rank {}: CUDA: {}", rank(), cudaGetErrorString(error)));
    }
    meet();
  } catch (const std::exception& error) {
    host_->abort(error.what());  // the others need not wait
    const std::lock_guard lock(mutex_);
    end_kernels();
    if (queued_ != nullptr) cudaEventDestroy(queued_);
    throw;
  }
  watch_ = std::thread([this] { watch(); });
}

NcclCommunicator::~NcclCommunicator() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  wake_.notify_all();
  watch_.join();
  const std::lock_guard lock(mutex_);
  leave();
  cudaEventDestroy(queued_);
}

/// Rank 0's id goes round through host memory; then NCCL's ranks find each other.
void NcclCommunicator::meet() {
  ncclUniqueId id{};
  const std::lock_guard lock(mutex_);
  if (rank() == 0) check("making an id", ncclGetUniqueId(&id));
  static_assert(sizeof id % 8 == 0);
  std::int64_t words[sizeof id / 8];
  std::memcpy(words, &id, sizeof id);
  host_->broadcast({words, std::size(words), Dtype::kInt64}, 0);
  std::memcpy(&id, words, sizeof id);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  check("meeting", ncclCommInitRankConfig(&comm_, size(), id, rank(), &config));
  host_->barrier();  // whoever is here can be reached
}

/// Until NCCL has done what it was last asked for; ncclInProgress when that takes longer than the limit. The
/// first collective connects the ranks: this may wait for a peer.
ncclResult_t NcclCommunicator::settle(Seconds limit) {
  const auto start = Clock::now();
  auto next_look = start + kLookEvery;
  auto pause = std::chrono::microseconds(5);
  while (true) {
    ncclResult_t state = ncclSuccess;
    const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
    if (asked != ncclSuccess) return asked;
    if (state != ncclInProgress) return state;
    if (segment_->is_aborted()) return ncclInProgress;
    const auto now = Clock::now();
    if (Seconds(now - start) > limit) return ncclInProgress;
    if (now >= next_look) {
      if (const std::string loss = lost_peer(); !loss.empty()) fail(loss);
      next_look = now + std::chrono::duration_cast<Clock::duration>(kLookEvery);
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::microseconds(1000));
  }
}

void NcclCommunicator::check(const char* what, ncclResult_t result) {
  if (result == ncclInProgress) result = settle(timeout_);
  if (result == ncclSuccess) return;
  refuse_if_dead();
  if (result == ncclInProgress) {
    fail(fmt::format("rank {} waited {} for the other ranks: {}", rank(), to_text_duration(timeout_), what));
  }
  fail(cause_of(what, result));
}

void NcclCommunicator::refuse_if_dead() const {
  if (segment_->is_aborted()) throw CommunicatorError(host_->aborted());
}

void NcclCommunicator::fail(const std::string& reason) {
  host_->abort(reason);
  end_kernels();
  throw CommunicatorError(host_->aborted());
}

void NcclCommunicator::end_kernels() {
  if (comm_ != nullptr) (void)ncclCommAbort(comm_);  // nothing to be done about its errors
  comm_ = nullptr;
}

void NcclCommunicator::queue(const char* what, const Queue& call) {
  const std::lock_guard lock(mutex_);
  refuse_if_dead();
  const cudaStream_t stream = place_.current_stream();
  check(what, call(comm_, stream));
  if (const auto error = cudaEventRecord(queued_, stream); error != cudaSuccess) {
    fail(fmt::format("rank {}: {}: CUDA: {}", rank(), what, cudaGetErrorString(error)));
  }
  ++calls_;
}

void NcclCommunicator::all_reduce(Buffer buffer, Reduction reduction) {
  if (!on_gpu(buffer)) return host_->all_reduce(buffer, reduction);
  queue("all_reduce", [&](ncclComm_t comm, cudaStream_t stream) {
    return ncclAllReduce(buffer.data, buffer.data, buffer.count, nccl_type(buffer.dtype),
                         reduction == Reduction::kSum ? ncclSum : ncclMax, comm, stream);
  });
}

void NcclCommunicator::all_gather(Buffer input, Buffer output) {
  if (!on_gpu(input, output)) return host_->all_gather(input, output);
  check_parts(input, output, size());
  queue("all_gather", [&](ncclComm_t comm, cudaStream_t stream) {
    return ncclAllGather(input.data, output.data, input.count, nccl_type(input.dtype), comm, stream);
  });
}

void NcclCommunicator::reduce_scatter(Buffer input, Buffer output) {
  if (!on_gpu(input, output)) return host_->reduce_scatter(input, output);
  check_parts(output, input, size());
  queue("reduce_scatter", [&](ncclComm_t comm, cudaStream_t stream) {
    return ncclReduceScatter(input.data, output.data, output.count, nccl_type(output.dtype), ncclSum, comm,
                             stream);
  });
}

void NcclCommunicator::broadcast(Buffer buffer, int root) {
  if (!on_gpu(buffer)) return host_->broadcast(buffer, root);
  queue("broadcast", [&](ncclComm_t comm, cudaStream_t stream) {
    return ncclBroadcast(buffer.data, buffer.data, buffer.count, nccl_type(buffer.dtype), root, comm, stream);
  });
}

void NcclCommunicator::send(Buffer buffer, int to) {
  if (!on_gpu(buffer)) return host_->send(buffer, to);
  queue("send", [&](ncclComm_t comm, cudaStream_t stream) {
    return ncclSend(buffer.data, buffer.count, nccl_type(buffer.dtype), to, comm, stream);
  });
}

void NcclCommunicator::receive(Buffer buffer, int from) {
  if (!on_gpu(buffer)) return host_->receive(buffer, from);
  queue("receive", [&](ncclComm_t comm, cudaStream_t stream) {
    return ncclRecv(buffer.data, buffer.count, nccl_type(buffer.dtype), from, comm, stream);
  });
}

void NcclCommunicator::exchange(Buffer sent, Buffer received, int peer) {
  if (!on_gpu(sent, received)) return host_->exchange(sent, received, peer);
  queue("exchange", [&](ncclComm_t comm, cudaStream_t stream) {
    ncclResult_t out = ncclSuccess, in = ncclSuccess;
    if (const auto begun = ncclGroupStart(); begun != ncclSuccess) return begun;
    // The peer leaves out an empty message as well.
    if (sent.count > 0) out = ncclSend(sent.data, sent.count, nccl_type(sent.dtype), peer, comm, stream);
    if (received.count > 0) {
      in = ncclRecv(received.data, received.count, nccl_type(received.dtype), peer, comm, stream);
    }
    const ncclResult_t end = ncclGroupEnd();
    for (const ncclResult_t result : {out, in}) {
      if (result != ncclSuccess && result != ncclInProgress) return result;
    }
    return end;
  });
}

void NcclCommunicator::barrier() {
  const cudaError_t error = cudaStreamSynchronize(place_.current_stream());
  if (error != cudaSuccess) {
    const std::lock_guard lock(mutex_);
    refuse_if_dead();  // its kernels were ended: that is the cause
    fail(fmt::format("rank {}: barrier: CUDA: {}", rank(), cudaGetErrorString(error)));
  }
  host_->barrier();
}

void NcclCommunicator::abort(const std::string& reason) {
  host_->abort(reason);  // first: who holds the mutex looks for it
  const std::lock_guard lock(mutex_);
  end_kernels();
}

bool NcclCommunicator::idle() {
  const cudaError_t state = calls_ == 0 ? cudaSuccess : cudaEventQuery(queued_);
  if (state != cudaSuccess && state != cudaErrorNotReady) {
    host_->abort(fmt::format("rank {}: CUDA: {}", rank(), cudaGetErrorString(state)));
  }
  return state == cudaSuccess;
}

std::string NcclCommunicator::lost_peer() const {
  // Of other hosts the communicator of host memory takes care: it aborts.
  for (int local = 0; local < segment_->size(); ++local)
    if (std::string loss = segment_->loss_of(local); !loss.empty()) return loss;
  return "";
}

/// The loss of a peer, if that is behind NCCL's error: a process's sockets close a moment before it is seen
/// to be gone. Else the error.
std::string NcclCommunicator::cause_of(const char* what, ncclResult_t error) const {
  constexpr auto kMoment = std::chrono::milliseconds(20);
  for (int i = 0; i < 10; ++i) {
    if (std::string loss = lost_peer(); !loss.empty()) return loss;
    std::this_thread::sleep_for(kMoment);
  }
  return fmt::format("rank {}: {}", rank(), describe(what, error, comm_));
}

/// What a rank that waits in a collective of host memory would notice itself.
void NcclCommunicator::look() {
  ncclResult_t state = ncclSuccess;
  const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
  if (asked != ncclSuccess) state = asked;
  if (state != ncclSuccess && state != ncclInProgress) {
    host_->abort(cause_of("a collective", state));
  }
  const auto now = Clock::now();
  const bool done = idle();
  if (done || calls_ != seen_calls_) moved_ = now;
  seen_calls_ = calls_;
  const std::string loss = done ? "" : lost_peer();
  if (loss.empty()) loss_seen_.reset();
  if (!loss.empty() && !loss_seen_) loss_seen_ = now;
  if (loss_seen_ && Seconds(now - *loss_seen_) > kLossGrace) host_->abort(loss);
  if (Seconds(now - moved_) > timeout_) {
    host_->abort(fmt::format("rank {} waited {} for the other ranks in a collective on its GPU", rank(),
                             to_text_duration(timeout_)));
  }
  if (segment_->is_aborted()) end_kernels();
}

void NcclCommunicator::watch() {
  cudaSetDevice(place_.device);
  std::unique_lock lock(mutex_);
  while (!leaving_) {
    if (comm_ != nullptr) look();
    wake_.wait_for(lock, kLookEvery);
  }
}

/// Ends NCCL so that peers that still work with this rank's memory are not cut off.
void NcclCommunicator::leave() {
  if (comm_ == nullptr) return;
  moved_ = Clock::now();
  while (comm_ != nullptr && !idle() && !segment_->is_aborted()) {
    look();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (comm_ == nullptr) return;
  try {
    ncclResult_t result = segment_->is_aborted() ? ncclInvalidUsage : ncclCommFinalize(comm_);
    if (result == ncclInProgress) result = settle(kLongestFarewell);
    if (result == ncclSuccess) {
      (void)ncclCommDestroy(comm_);
      comm_ = nullptr;
    }
  } catch (const CommunicatorError&) {  // a peer has died meanwhile: nothing is owed to it
  }
  end_kernels();
}

}  // namespace saturn
