// SPDX-License-Identifier: Apache-2.0
// A module of accelerators of another interface: nothing else of it may be called.
#include <cstdint>
#include <cstdlib>

extern "C" std::uint32_t saturn_accelerator_abi();
extern "C" void* saturn_accelerator_create();

std::uint32_t saturn_accelerator_abi() {
  return 999;
}
void* saturn_accelerator_create() {
  std::abort();
}
