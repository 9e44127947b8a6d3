// SPDX-License-Identifier: Apache-2.0
// cuda_module MODULE: opens saturn-cuda.so as the worker does and makes an accelerator. Without a GPU that
// must end in a clear error. 0 = as it should be, 77 = skipped: a library that comes with PyTorch is not
// here.
#include <cstdio>
#include <dlfcn.h>
#include <string_view>

#include "base/error.h"
#include "cluster/nvml.h"
#include "train/accelerator.h"

using namespace saturn;

namespace {

int verdict(const char* module) {
  const bool has_gpu = !usable_gpus().gpus.empty();
  try {
    const auto accelerator = load_accelerator(module)();
    std::printf("it opened, with the device %s\n", accelerator->device().str().c_str());
    return has_gpu && accelerator->device().is_cuda() ? 0 : 1;
  } catch (const SystemError& error) {
    std::printf("it opened and said: %s\n", error.what());
    return !has_gpu && std::string_view(error.what()).starts_with("cannot use the GPU: ") ? 0 : 1;
  }
}

}  // namespace

int main(int, char** arguments) {
  if (::dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL) != nullptr) return verdict(arguments[1]);
  const std::string_view reason = ::dlerror();
  const bool missing_library = reason.find("cannot open shared object file") != std::string_view::npos &&
                               !reason.starts_with(arguments[1]);
  std::printf("%s%s\n", missing_library ? "skipped: " : "", reason.data());
  return missing_library ? 77 : 1;
}
