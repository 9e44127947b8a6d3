// SPDX-License-Identifier: Apache-2.0
#include "train/plugin_object.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <utility>

namespace saturn {

PluginObject::PluginObject(std::string subject, std::string macro, const std::filesystem::path& library)
    : subject_(std::move(subject)), macro_(std::move(macro)), library_(library.string()) {
  // A name without a slash would be looked for in the system's folders.
  object_ = ::dlopen(std::filesystem::absolute(library).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (object_ == nullptr) refuse(::dlerror());
}

void PluginObject::check_abi(const char* symbol, std::uint32_t expected) const {
  const std::uint32_t found = function<std::uint32_t()>(symbol)();
  if (found != expected)
    refuse(fmt::format("{} was built for interface {}, this worker has {}; build it again", library_, found,
                       expected));
}

void PluginObject::refuse(const std::string& why) const {
  throw PluginError(fmt::format("cannot load {}: {}", subject_, why));
}

void* PluginObject::address(const char* symbol) const {
  void* found = ::dlsym(object_, symbol);
  if (found == nullptr)
    refuse(fmt::format("{} has no function {} (its source ends with {}(...))", library_, symbol, macro_));
  return found;
}

}  // namespace saturn
