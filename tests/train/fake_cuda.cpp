// SPDX-License-Identifier: Apache-2.0
// CUDA's runtime in host memory.
#include <map>
#include <mutex>

#include "train/fake_gpu.h"
#include "train/fake_stream.h"

struct CUevent_st {
  CUstream_st* stream = nullptr;
  std::uint64_t behind = 0;
};

namespace {

/// "GPU memory".
struct Blocks {
  std::mutex mutex;
  std::map<const std::byte*, std::size_t> sizes;  // by address
};

Blocks& blocks() {
  static Blocks instance;
  return instance;
}

bool in_device_memory(const void* pointer) {
  const auto* address = static_cast<const std::byte*>(pointer);
  const std::lock_guard lock(blocks().mutex);
  const auto behind = blocks().sizes.upper_bound(address);
  if (behind == blocks().sizes.begin()) return false;
  const auto& [begin, size] = *std::prev(behind);
  return address < begin + size;
}

}  // namespace

namespace saturn::fake_gpu {

cudaStream_t current_stream() {
  thread_local CUstream_st stream;
  return &stream;
}

void* DeviceMemory::allocate(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  void* memory = std::malloc(bytes);
  const std::lock_guard lock(blocks().mutex);
  blocks().sizes[static_cast<std::byte*>(memory)] = bytes;
  return memory;
}
void DeviceMemory::release(void* memory) {
  const std::lock_guard lock(blocks().mutex);
  blocks().sizes.erase(static_cast<std::byte*>(memory));
  std::free(memory);
}
void DeviceMemory::copy(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}
void DeviceMemory::read(void* to, const void* from, std::size_t bytes) {
  cudaStreamSynchronize(current_stream());
  copy(to, from, bytes);
}

}  // namespace saturn::fake_gpu

extern "C" {

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  attributes->type = in_device_memory(pointer) ? cudaMemoryTypeDevice : cudaMemoryTypeUnregistered;
  return cudaSuccess;
}
cudaError_t cudaGetLastError() {
  return cudaSuccess;
}
const char* cudaGetErrorString(cudaError_t) {
  return "an error of CUDA";
}
cudaError_t cudaSetDevice(int) {
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const std::lock_guard lock(stream->mutex);
  *event = {stream, stream->queued};
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  const std::lock_guard lock(event->stream->mutex);
  return event->stream->done >= event->behind ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  std::unique_lock lock(stream->mutex);
  stream->changed.wait(lock, [&] { return stream->done == stream->queued; });
  return cudaSuccess;
}
}
