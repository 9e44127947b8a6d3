// SPDX-License-Identifier: Apache-2.0
// The tests that need a GPU: without one all of them are skipped (77), which is said. The process itself
// never starts CUDA, so that it can fork ranks that do.
#define DOCTEST_CONFIG_IMPLEMENT
#include <cstdio>
#include <doctest/doctest.h>

#include "cluster/nvml.h"

int main(int count, char** arguments) {
  const saturn::GpuInventory found = saturn::usable_gpus();
  if (found.gpus.empty()) {
    std::printf("skipped: no GPU: %s\n", found.none_because.c_str());
    return 77;
  }
  return doctest::Context(count, arguments).run();
}
