// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cluster/cluster.h"
#include "train/communicator.h"
#include "train/gang_hosts.h"

namespace saturn {

/// Raised by one when the interface below changes in any way; a module of another number is refused.
inline constexpr std::uint32_t kAcceleratorAbi = 2;

/// Where a rank meets the other ranks of its gang; see make_shared_memory_communicator.
struct MeetingPlace {
  std::filesystem::path rendezvous;  ///< unused by a gang of one
  int rank = 0;
  int size = 1;
  Seconds timeout{0};
  int generation = 0;
  std::optional<GangHosts> hosts{};  ///< of a gang on several; `rendezvous` is that of this one
};

/// What a rank computes on: the cores of a CPU slot or one GPU. One in a process. Memory is that of tensors
/// on the device; over the budget an allocation throws c10::OutOfMemoryError, after which the device can be
/// used on.
class Accelerator {
 public:
  virtual ~Accelerator() = default;

  virtual c10::Device device() const = 0;
  /// Waits until everything that this process has given the device is done.
  virtual void synchronize() = 0;

  /// 0 = unlimited (but for what the device has).
  virtual void set_memory_budget(Bytes budget) = 0;
  virtual Bytes memory_in_use() const = 0;
  /// The most that was in use since the last reset.
  virtual Bytes peak_memory() const = 0;
  virtual void reset_peak_memory() = 0;
  /// Gives the device what an allocator keeps of freed memory: the next model may need blocks of other sizes.
  virtual void release_freed_memory() = 0;

  /// Meets the gang. Buffers may be in host memory or on the device, alike on all ranks. A collective on the
  /// device is queued on the calling thread's current stream and returns at once; one on host memory is
  /// complete when it returns. Errors: CommunicatorError, SystemError.
  virtual std::unique_ptr<Communicator> make_communicator(const MeetingPlace& place) = 0;
};

/// The cores of this process.
std::unique_ptr<Accelerator> make_cpu_accelerator();

/// Takes the device, which nothing has touched before. To be called once. Errors: SystemError.
using TakeDevice = std::function<std::unique_ptr<Accelerator>()>;

/// Opens a module of accelerators, which stays open until the process ends. Errors: SystemError.
TakeDevice load_accelerator(const std::filesystem::path& module);

/// What `device` of kind `device_kind` is: for a CPU slot this process's cores, for a GPU what the module
/// saturn-cuda.so makes of it (looked for beside libsaturn_train.so; it needs PyTorch's CUDA libraries, so
/// nothing but this opens it). To be called before anything else uses CUDA: of the machine's GPUs this
/// process sees only the device's from then on. Only libraries are loaded before the result is called.
/// Errors: SystemError.
TakeDevice open_accelerator(const std::string& device_kind, const Device& device);

}  // namespace saturn

/// Ends the source file of a module of accelerators: exports the two symbols that open_accelerator looks for.
#define SATURN_ACCELERATOR(Type)                                  \
  extern "C" std::uint32_t saturn_accelerator_abi() {             \
    return ::saturn::kAcceleratorAbi;                             \
  }                                                               \
  extern "C" ::saturn::Accelerator* saturn_accelerator_create() { \
    return new Type();                                            \
  }
