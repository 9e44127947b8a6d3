// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cluster/gpu.h"
#include "cluster/gpu_health.h"

namespace saturn {

/// Asks the driver's management library (NVML) for this machine's GPUs. It is opened at run time, so that
/// neither the build nor a machine without GPUs needs it. A GPU that does not answer (fallen off the bus,
/// waiting for a reset) is left out with a warning. Without a library or a driver there are none, and
/// `none_because` says why; a driver that is there and does not work is warned of, too.
GpuInventory read_gpus(const std::filesystem::path& library = "libnvidia-ml.so.1");

/// read_gpus of nvml_library() with what CUDA_VISIBLE_DEVICES leaves.
GpuInventory usable_gpus();

/// Asks NVML again and again how GPUs are. Calls of a driver that hangs do not return: whoever cannot wait
/// asks from a process of its own.
class GpuProbe {
 public:
  explicit GpuProbe(std::filesystem::path library = "libnvidia-ml.so.1");
  ~GpuProbe();
  /// How the GPUs of these UUIDs are now, in their order. One that the driver does not list any more, or
  /// that has an unknown error, is lost as long as others answer; else that is taken for the driver's fault.
  std::vector<GpuReading> read(const std::vector<std::string>& uuids);

 private:
  class Session;
  std::filesystem::path library_;
  std::unique_ptr<Session> session_;  ///< kept while everything is well: to open one may wake sleeping GPUs
};

/// The library that is asked: SATURN_NVML_LIBRARY names another one (tests do).
std::filesystem::path nvml_library();

}  // namespace saturn
