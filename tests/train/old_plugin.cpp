// SPDX-License-Identifier: Apache-2.0
// A parallelism of another interface: nothing else of it may be called.
#include <cstdint>
#include <cstdlib>

extern "C" std::uint32_t saturn_parallelism_abi();
extern "C" void* saturn_parallelism_create();

std::uint32_t saturn_parallelism_abi() {
  return 999;
}
void* saturn_parallelism_create() {
  std::abort();
}
