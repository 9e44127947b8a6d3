// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "cluster/gpu.h"

namespace saturn {

/// Asks the driver's management library (NVML) for this machine's GPUs. It is opened at run time, so that
/// neither the build nor a machine without GPUs needs it. A GPU that does not answer (fallen off the bus,
/// waiting for a reset) is left out with a warning. Without a library or a driver there are none, and
/// `none_because` says why; a driver that is there and does not work is warned of, too.
GpuInventory read_gpus(const std::filesystem::path& library = "libnvidia-ml.so.1");

/// read_gpus with what CUDA_VISIBLE_DEVICES leaves. SATURN_NVML_LIBRARY names another library (tests do).
GpuInventory usable_gpus();

}  // namespace saturn
