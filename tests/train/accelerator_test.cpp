// SPDX-License-Identifier: Apache-2.0
#include "train/accelerator.h"

#include <ATen/ops/zeros.h>
#include <doctest/doctest.h>
#include <fmt/format.h>

namespace saturn::accelerator_test {

namespace {

std::string error_of(const std::filesystem::path& module) {
  try {
    load_accelerator(module);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing thrown";
}

constexpr const char* kAdvice =
    "; GPUs need saturn-cuda.so (built where the CUDA toolkit is) and the CUDA libraries that come with "
    "PyTorch; "
    "'cluster: {slots: N}' trains on CPU cores";

}  // namespace

TEST_CASE("a CPU slot is this process's cores, with the memory of its tensors counted") {
  for (const char* kind : {"cpu", "cpu-slow"}) CHECK(open_accelerator(kind, {})()->device().is_cpu());
  const auto accelerator = make_cpu_accelerator();
  accelerator->set_memory_budget(0);
  const Bytes before = accelerator->memory_in_use();
  {
    accelerator->reset_peak_memory();
    const at::Tensor tensor = at::zeros({1 << 18});
    CHECK(accelerator->memory_in_use() - before >= 1 << 20);
  }
  CHECK(accelerator->memory_in_use() == before);
  CHECK(accelerator->peak_memory() - before >= 1 << 20);
}

TEST_CASE("a gang of one on a CPU slot needs no rendezvous") {
  const auto communicator = make_cpu_accelerator()->make_communicator({});
  CHECK(communicator->size() == 1);
  communicator->barrier();
}

TEST_CASE("a module that cannot be used is named with the reason") {
  CHECK(error_of("/nowhere/saturn-cuda.so") ==
        std::string("cannot open /nowhere/saturn-cuda.so: there is no such file") + kAdvice);
  CHECK(error_of(SATURN_PLUGIN_EMPTY) ==
        fmt::format("cannot use {}: it has no function saturn_accelerator_abi{}", SATURN_PLUGIN_EMPTY,
                    kAdvice));
  CHECK(error_of(SATURN_ACCELERATOR_OLD) ==
        fmt::format("cannot use {}: it was built for interface 999, this worker has {}; build both again",
                    SATURN_ACCELERATOR_OLD, kAcceleratorAbi));
}

}  // namespace saturn::accelerator_test
