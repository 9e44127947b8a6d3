// SPDX-License-Identifier: Apache-2.0
// The part of NVML's C interface that is used, declared here because its header comes with the CUDA toolkit
// only. It is stable: new versions of a function get a new name. Documented at
// https://docs.nvidia.com/deploy/nvml-api/ (return values: "Device Enums", nvmlReturn_t; functions:
// "Initialization and Cleanup", "System Queries", "Device Queries").
#include "cluster/nvml.h"

#include <array>
#include <cstdlib>
#include <dlfcn.h>
#include <fmt/format.h>
#include <stdexcept>

namespace saturn {
namespace {

using Status = int;  // nvmlReturn_t
constexpr Status kSuccess = 0;
constexpr Status kDriverNotLoaded = 9;
using Handle = struct nvmlDevice_st*;

/// nvmlMemory_t.
struct MemoryInfo {
  unsigned long long total = 0, free = 0, used = 0;
};

constexpr unsigned kNameSize = 96;  // NVML_DEVICE_NAME_V2_BUFFER_SIZE; also enough for UUIDs and versions

/// Something that NVML says does not work, in its words.
class NvmlError : public std::runtime_error {
 public:
  NvmlError(Status code, const std::string& text) : std::runtime_error(text), status(code) {}
  Status status;
};

/// The library, opened and initialised.
class Nvml {
 public:
  explicit Nvml(void* object) : object_(object) {
    bind(init_, "nvmlInit_v2");
    bind(shutdown_, "nvmlShutdown");
    bind(error_string_, "nvmlErrorString");
    bind(driver_version_, "nvmlSystemGetDriverVersion");
    bind(count_, "nvmlDeviceGetCount_v2");
    bind(handle_, "nvmlDeviceGetHandleByIndex_v2");
    bind(name_, "nvmlDeviceGetName");
    bind(uuid_, "nvmlDeviceGetUUID");
    bind(memory_, "nvmlDeviceGetMemoryInfo");
    check(init_());
  }
  ~Nvml() { shutdown_(); }
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  std::string driver_version() const {
    return text_of([&](char* text) { return driver_version_(text, kNameSize); });
  }
  unsigned count() const {
    unsigned count = 0;
    check(count_(&count));
    return count;
  }
  Gpu gpu(unsigned index) const {
    Handle handle = nullptr;
    check(handle_(index, &handle));
    MemoryInfo memory;
    check(memory_(handle, &memory));
    return {static_cast<int>(index), text_of([&](char* text) { return name_(handle, text, kNameSize); }),
            text_of([&](char* text) { return uuid_(handle, text, kNameSize); }),
            static_cast<Bytes>(memory.total)};
  }

 private:
  template <class Function>
  void bind(Function*& function, const char* symbol) const {
    function = reinterpret_cast<Function*>(::dlsym(object_, symbol));
    if (function == nullptr) throw NvmlError(-1, fmt::format("it has no function {}", symbol));
  }
  void check(Status status) const {
    if (status != kSuccess) throw NvmlError(status, error_string_(status));
  }
  template <class Ask>
  std::string text_of(Ask ask) const {
    std::array<char, kNameSize> text{};
    check(ask(text.data()));
    return text.data();
  }

  void* object_;
  Status (*init_)() = nullptr;
  Status (*shutdown_)() = nullptr;
  const char* (*error_string_)(Status) = nullptr;
  Status (*driver_version_)(char*, unsigned) = nullptr;
  Status (*count_)(unsigned*) = nullptr;
  Status (*handle_)(unsigned, Handle*) = nullptr;
  Status (*name_)(Handle, char*, unsigned) = nullptr;
  Status (*uuid_)(Handle, char*, unsigned) = nullptr;
  Status (*memory_)(Handle, MemoryInfo*) = nullptr;
};

void read_devices(const Nvml& nvml, GpuInventory& found) {
  found.driver = nvml.driver_version();
  const unsigned count = nvml.count();
  for (unsigned index = 0; index < count; ++index) {
    try {
      found.gpus.push_back(nvml.gpu(index));
    } catch (const NvmlError& error) {
      found.warnings.push_back(
          fmt::format("GPU {} is left out: the driver says '{}' (nvidia-smi -q says more; a reset or a "
                      "reboot may bring it back)",
                      index, error.what()));
    }
  }
  if (found.gpus.empty()) {
    found.none_because = count == 0 ? "the driver knows of no GPU" : "none of its GPUs works";
  }
}

}  // namespace

GpuInventory read_gpus(const std::filesystem::path& library) {
  GpuInventory found;
  void* object = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (object == nullptr) {
    found.none_because = fmt::format("there is no NVIDIA driver ({})", ::dlerror());
    return found;
  }
  try {
    read_devices(Nvml(object), found);
  } catch (const NvmlError& error) {
    found.none_because = fmt::format("{} does not work: {}", library.string(), error.what());
    // A driver's library on a machine without GPUs is nothing unusual.
    if (error.status != kDriverNotLoaded) found.warnings.push_back("no GPUs: " + found.none_because);
  }
  return found;  // the library stays open: it does not bear to be closed everywhere
}

GpuInventory usable_gpus() {
  const char* library = std::getenv("SATURN_NVML_LIBRARY");
  const char* list = std::getenv("CUDA_VISIBLE_DEVICES");
  return visible_gpus(library != nullptr ? read_gpus(library) : read_gpus(),
                      list != nullptr ? std::optional<std::string>(list) : std::nullopt);
}

}  // namespace saturn
