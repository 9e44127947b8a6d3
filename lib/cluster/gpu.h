// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"

namespace saturn {

/// A GPU of this machine, as its driver describes it.
struct Gpu {
  int index = 0;     ///< as nvidia-smi counts: in the order of the PCI bus
  std::string name;  ///< "NVIDIA H100 80GB HBM3"
  std::string uuid;  ///< "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6": what CUDA_VISIBLE_DEVICES takes
  Bytes memory_bytes = 0;

  bool operator==(const Gpu&) const = default;
};

struct GpuInventory {
  std::vector<Gpu> gpus;
  std::string driver;                 ///< its version
  std::string none_because;           ///< why `gpus` is empty
  std::vector<std::string> warnings;  ///< of what was left out
};

/// The device kind of a GPU's name: lower case, words joined by '-', without what all GPUs of a type share
/// (maker, brand, kind of memory): "NVIDIA H100 80GB HBM3" -> "h100-80gb", "NVIDIA A100-SXM4-40GB" ->
/// "a100-sxm4-40gb". Speeds are measured per kind; boards of one chip that differ in speed keep apart.
std::string gpu_kind(std::string_view name);

/// Whether a kind asked for covers a GPU's kind: "gpu" any, "h100" every "h100-...", "h100-80gb" itself.
bool kind_covers(std::string_view asked, std::string_view kind);

/// What is left of the GPUs under a CUDA_VISIBLE_DEVICES (nothing = not set, all stay), in its order and by
/// CUDA's rules (CUDA C++ Programming Guide, "CUDA Environment Variables"): numbers or beginnings of UUIDs;
/// the list ends at the first entry that names no GPU or one that was named before, which is warned of.
GpuInventory visible_gpus(GpuInventory all, const std::optional<std::string>& list);

/// What a rank may use of a GPU's memory: without what the driver, the CUDA context, the libraries'
/// workspaces and NCCL's buffers take outside the tensors (1 GiB and 2 %, in steps of 64 MiB).
Bytes gpu_memory_budget(Bytes total);

}  // namespace saturn
