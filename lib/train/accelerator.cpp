// SPDX-License-Identifier: Apache-2.0
#include "train/accelerator.h"

#include <cstdlib>
#include <dlfcn.h>
#include <fmt/format.h>

#include "base/error.h"
#include "train/memory_budget.h"

namespace saturn {
namespace {

class CpuAccelerator final : public Accelerator {
 public:
  c10::Device device() const override { return c10::Device(c10::DeviceType::CPU); }
  void synchronize() override {}
  void set_memory_budget(Bytes budget) override { saturn::set_memory_budget(budget); }
  Bytes memory_in_use() const override { return saturn::memory_in_use(); }
  Bytes peak_memory() const override { return saturn::peak_memory(); }
  void reset_peak_memory() override { saturn::reset_peak_memory(); }
  void release_freed_memory() override {}  // what malloc keeps is not counted
  std::unique_ptr<Communicator> make_communicator(const MeetingPlace& place) override {
    if (place.size == 1) return make_single_communicator();
    if (place.hosts)
      return make_hosts_communicator(place.rendezvous, place.rank, *place.hosts, place.timeout,
                                     place.generation);
    return make_shared_memory_communicator(place.rendezvous, place.rank, place.size, place.timeout,
                                           place.generation);
  }
};

constexpr const char* kAdvice =
    "GPUs need saturn-cuda.so (built where the CUDA toolkit is) and the CUDA libraries that come with "
    "PyTorch; 'cluster: {slots: N}' trains on CPU cores";

/// Beside the library that this function is in.
std::filesystem::path module_path() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&make_cpu_accelerator), &info) == 0) return "saturn-cuda.so";
  return std::filesystem::absolute(info.dli_fname).parent_path() / "saturn-cuda.so";
}

template <class Function>
Function* function_of(void* object, const char* symbol, const std::filesystem::path& module) {
  void* address = ::dlsym(object, symbol);
  if (address == nullptr) {
    throw SystemError("use", module.string(), fmt::format("it has no function {}", symbol), kAdvice);
  }
  return reinterpret_cast<Function*>(address);
}

}  // namespace

std::unique_ptr<Accelerator> make_cpu_accelerator() {
  return std::make_unique<CpuAccelerator>();
}

TakeDevice load_accelerator(const std::filesystem::path& module) {
  if (!std::filesystem::exists(module)) {
    throw SystemError("open", module.string(), "there is no such file", kAdvice);
  }
  void* object = ::dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (object == nullptr) throw SystemError("open", module.string(), ::dlerror(), kAdvice);
  const auto abi = function_of<std::uint32_t()>(object, "saturn_accelerator_abi", module);
  if (abi() != kAcceleratorAbi) {
    throw SystemError(
        "use", module.string(),
        fmt::format("it was built for interface {}, this worker has {}", abi(), kAcceleratorAbi),
        "build both again");
  }
  auto* const create = function_of<Accelerator*()>(object, "saturn_accelerator_create", module);
  return [create] { return std::unique_ptr<Accelerator>(create()); };
}

TakeDevice open_accelerator(const std::string& device_kind, const Device& device) {
  if (is_cpu_kind(device_kind)) return make_cpu_accelerator;
  const std::string visible = device.uuid.empty() ? std::to_string(device.index) : device.uuid;
  ::setenv("CUDA_VISIBLE_DEVICES", visible.c_str(), /*overwrite=*/1);
  ::setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID", /*overwrite=*/1);  // as Slurm and nvidia-smi count
  return load_accelerator(module_path());
}

}  // namespace saturn
