// SPDX-License-Identifier: Apache-2.0
#include "train/plugin.h"

#include <dlfcn.h>
#include <fmt/format.h>

namespace saturn {
namespace {

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
  throw PluginError(fmt::format("cannot load the parallelism '{}': {}", name, why));
}

/// The function that the object exports under `symbol`.
template <class Function>
Function* function_of(void* object, const char* symbol, const std::string& name,
                      const std::filesystem::path& library) {
  void* address = ::dlsym(object, symbol);
  if (address == nullptr) {
    refuse(name, fmt::format("{} has no function {} (its source ends with SATURN_PARALLELISM(...))",
                             library.string(), symbol));
  }
  return reinterpret_cast<Function*>(address);
}

}  // namespace

std::unique_ptr<Parallelism> load_parallelism(const std::string& name, const std::filesystem::path& library) {
  // A name without a slash would be looked for in the system's folders.
  void* object = ::dlopen(std::filesystem::absolute(library).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (object == nullptr) refuse(name, ::dlerror());
  const auto abi = function_of<std::uint32_t()>(object, "saturn_parallelism_abi", name, library);
  if (abi() != kParallelismAbi) {
    refuse(name, fmt::format("{} was built for interface {}, this worker has {}; build it again",
                             library.string(), abi(), kParallelismAbi));
  }
  std::unique_ptr<Parallelism> made(
      function_of<Parallelism*()>(object, "saturn_parallelism_create", name, library)());
  if (made == nullptr) refuse(name, "saturn_parallelism_create returned nothing");
  return made;
}

}  // namespace saturn
