// SPDX-License-Identifier: Apache-2.0
// The part of NVML's C interface that is used, declared here because its header comes with the CUDA toolkit
// only. It is stable: new versions of a function get a new name. Documented at
// https://docs.nvidia.com/deploy/nvml-api/ (return values: "Device Enums", nvmlReturn_t; functions:
// "Initialization and Cleanup", "System Queries", "Device Queries").
#include "cluster/nvml.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <dlfcn.h>
#include <fmt/format.h>
#include <map>
#include <stdexcept>
#include <utility>

namespace saturn {
namespace {

using Status = int;  // nvmlReturn_t
constexpr Status kSuccess = 0;
constexpr Status kDriverNotLoaded = 9;
constexpr Status kNotFound = 6;
constexpr Status kGpuIsLost = 15;
constexpr Status kResetRequired = 16;
constexpr Status kUnknownError = 999;
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
  Handle handle(unsigned index) const {
    Handle handle = nullptr;
    check(handle_(index, &handle));
    return handle;
  }
  std::string uuid(Handle handle) const {
    return text_of([&](char* text) { return uuid_(handle, text, kNameSize); });
  }
  MemoryInfo memory(Handle handle) const {
    MemoryInfo memory;
    check(memory_(handle, &memory));
    return memory;
  }
  Gpu gpu(unsigned index) const {
    const Handle handle = this->handle(index);
    const MemoryInfo memory = this->memory(handle);
    return {static_cast<int>(index), text_of([&](char* text) { return name_(handle, text, kNameSize); }),
            uuid(handle), static_cast<Bytes>(memory.total)};
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

/// The library stays open: it does not bear to be closed everywhere. Null: there is none (dlerror).
void* open_library(const std::filesystem::path& library) {
  return ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
}

std::string no_library() {
  return fmt::format("there is no NVIDIA driver ({})", ::dlerror());
}

std::string does_not_work(const std::filesystem::path& library, const NvmlError& error) {
  return fmt::format("{} does not work: {}", library.string(), error.what());
}

/// What an error about one GPU says of it. Some drivers have no better word for one that has fallen off the
/// bus than "unknown error": it counts while others answer.
GpuHealth health_after(const NvmlError& error, bool others_answer) {
  const bool lost = error.status == kGpuIsLost || error.status == kResetRequired;
  const bool vague = error.status == kUnknownError || error.status == kNotFound;
  return lost || (vague && others_answer) ? GpuHealth::kLost : GpuHealth::kUnknown;
}

}  // namespace

GpuInventory read_gpus(const std::filesystem::path& library) {
  GpuInventory found;
  void* object = open_library(library);
  if (object == nullptr) {
    found.none_because = no_library();
    return found;
  }
  try {
    read_devices(Nvml(object), found);
  } catch (const NvmlError& error) {
    found.none_because = does_not_work(library, error);
    // A driver's library on a machine without GPUs is nothing unusual.
    if (error.status != kDriverNotLoaded) found.warnings.push_back("no GPUs: " + found.none_because);
  }
  return found;
}

std::filesystem::path nvml_library() {
  const char* library = std::getenv("SATURN_NVML_LIBRARY");
  return library != nullptr ? library : "libnvidia-ml.so.1";
}

GpuInventory usable_gpus() {
  const char* list = std::getenv("CUDA_VISIBLE_DEVICES");
  return visible_gpus(read_gpus(nvml_library()),
                      list != nullptr ? std::optional<std::string>(list) : std::nullopt);
}

/// The GPUs as they were listed when it began. They are asked for by index: the look-up of a UUID fails when
/// any GPU is lost.
class GpuProbe::Session {
 public:
  explicit Session(void* object) : nvml_(object) {
    const unsigned count = nvml_.count();
    for (unsigned index = 0; index < count; ++index) {
      try {
        const Handle handle = nvml_.handle(index);
        handles_[nvml_.uuid(handle)] = handle;
      } catch (const NvmlError& error) {
        unlisted_ = error;  // its UUID cannot be had: it is one of those that are missed
      }
    }
  }

  /// Why it does not answer; nothing: it does.
  std::optional<NvmlError> problem(const std::string& uuid) const {
    const auto found = handles_.find(uuid);
    if (found == handles_.end()) return unlisted_;
    try {
      (void)nvml_.memory(found->second);
      return {};
    } catch (const NvmlError& error) {
      return error;
    }
  }

 private:
  Nvml nvml_;
  std::map<std::string, Handle> handles_;       ///< by UUID
  NvmlError unlisted_{kNotFound, "Not Found"};  ///< of those that are not listed
};

GpuProbe::GpuProbe(std::filesystem::path library) : library_(std::move(library)) {}
GpuProbe::~GpuProbe() = default;

std::vector<GpuReading> GpuProbe::read(const std::vector<std::string>& uuids) {
  std::vector<GpuReading> look;
  bool all_well = true;
  const auto all_unknown = [&](const std::string& why) {
    for (const std::string& uuid : uuids) look.push_back({uuid, GpuHealth::kUnknown, why});
    return look;
  };
  try {
    if (!session_) {
      void* object = open_library(library_);
      if (object == nullptr) return all_unknown(no_library());
      session_ = std::make_unique<Session>(object);
    }
  } catch (const NvmlError& error) {
    return all_unknown(does_not_work(library_, error));
  }
  std::vector<std::optional<NvmlError>> problems;
  for (const std::string& uuid : uuids) problems.push_back(session_->problem(uuid));
  const bool some_answer = std::any_of(problems.begin(), problems.end(), [](const auto& p) { return !p; });
  for (size_t i = 0; i < uuids.size(); ++i) {
    look.push_back({uuids[i], GpuHealth::kWell, ""});
    if (!problems[i]) continue;
    look.back().health = health_after(*problems[i], some_answer);
    look.back().why = fmt::format("the driver says '{}'", problems[i]->what());
    all_well = false;
  }
  if (!all_well) session_.reset();  // only a new one sees what comes back
  return look;
}

}  // namespace saturn
