// SPDX-License-Identifier: Apache-2.0
// A model of another interface: nothing else of it may be called.
#include <cstdint>
#include <cstdlib>

extern "C" std::uint32_t saturn_model_abi();
extern "C" void* saturn_model_create(const void*);

std::uint32_t saturn_model_abi() {
  return 999;
}
void* saturn_model_create(const void*) {
  std::abort();
}
