// SPDX-License-Identifier: Apache-2.0
#include "train/memory_budget.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <doctest/doctest.h>

namespace saturn::memory_budget_test {

namespace {

std::string allocation_error(std::int64_t bytes) {
  try {
    const at::Tensor tensor = at::empty({bytes}, at::kByte);
  } catch (const c10::OutOfMemoryError& error) {
    return error.what_without_backtrace();
  }
  return "";
}

}  // namespace

TEST_CASE("tensors count against the budget and are given back") {
  set_memory_budget(1 << 20);
  reset_peak_memory();
  const Bytes before = memory_in_use();
  {
    const at::Tensor half = at::empty({512 << 10}, at::kByte);
    CHECK(memory_in_use() == before + (512 << 10));
    CHECK(reinterpret_cast<std::uintptr_t>(half.data_ptr()) % 64 == 0);
    CHECK(allocation_error((512 << 10) + 1) ==
          "out of memory: allocating 512 KiB with 512 KiB in use passes the slot's budget of 1 MiB");
    CHECK(allocation_error(512 << 10) == "");  // just fits
    CHECK(peak_memory() == before + (1 << 20));
  }
  CHECK(memory_in_use() == before);
  reset_peak_memory();
  CHECK(peak_memory() == before);
  CHECK(allocation_error((1 << 20) + 1) ==
        "out of memory: allocating 1 MiB with 0 B in use passes the slot's budget of 1 MiB");
}

TEST_CASE("without a budget tensors are counted all the same") {
  set_memory_budget(0);
  reset_peak_memory();
  CHECK(allocation_error(64 << 20) == "");
  CHECK(peak_memory() >= (64 << 20));
}

TEST_CASE("empty tensors cost nothing") {
  set_memory_budget(1);
  CHECK(allocation_error(0) == "");
  set_memory_budget(0);
}

}  // namespace saturn::memory_budget_test
