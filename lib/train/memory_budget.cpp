// SPDX-License-Identifier: Apache-2.0
#include "train/memory_budget.h"

#include <atomic>
#include <c10/core/Allocator.h>
#include <c10/util/Exception.h>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <malloc.h>

namespace saturn {
namespace {

constexpr std::size_t kBlockAlignment = 64;  // of a cache line and of the widest vectors

/// Counts what is asked for, not what malloc makes of it: that depends on history. The size of a block stands
/// in the line before it.
class CountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &release, c10::Device(c10::DeviceType::CPU)};
    take(static_cast<Bytes>(bytes));
    void* block = nullptr;
    if (::posix_memalign(&block, kBlockAlignment, bytes + kBlockAlignment) != 0) {
      in_use_ -= static_cast<Bytes>(bytes);
      fail(
          fmt::format("out of memory: the machine has no {} left", to_text_bytes(static_cast<Bytes>(bytes))));
    }
    std::memcpy(block, &bytes, sizeof bytes);
    void* data = static_cast<char*>(block) + kBlockAlignment;
    return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    std::memcpy(to, from, bytes);
  }

  void set_budget(Bytes budget) { budget_ = budget; }
  Bytes in_use() const { return in_use_; }
  Bytes peak() const { return peak_; }
  void reset_peak() { peak_ = in_use_.load(); }

 private:
  static void release(void* data);
  [[noreturn]] static void fail(const std::string& message) {
    throw c10::OutOfMemoryError({__func__, __FILE__, static_cast<std::uint32_t>(__LINE__)}, message);
  }

  void take(Bytes bytes) {
    const Bytes before = in_use_.fetch_add(bytes);
    if (budget_ > 0 && before + bytes > budget_) {
      in_use_ -= bytes;
      fail(fmt::format("out of memory: allocating {} with {} in use passes the slot's budget of {}",
                       to_text_bytes(bytes), to_text_bytes(before), to_text_bytes(budget_)));
    }
    Bytes peak = peak_;
    while (peak < before + bytes && !peak_.compare_exchange_weak(peak, before + bytes)) {
    }
  }

  std::atomic<Bytes> budget_{0}, in_use_{0}, peak_{0};
};

CountingAllocator& allocator() {
  static auto* const instance = new CountingAllocator;  // tensors of static life may outlast everything
  return *instance;
}

void CountingAllocator::release(void* data) {
  if (data == nullptr) return;
  void* block = static_cast<char*>(data) - kBlockAlignment;
  std::size_t bytes = 0;
  std::memcpy(&bytes, block, sizeof bytes);
  allocator().in_use_ -= static_cast<Bytes>(bytes);
  std::free(block);
}

/// By default glibc returns big blocks to the kernel at every free, and every step pays for zeroed pages.
void keep_freed_memory() {
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, 2000 << 20);
  ::mallopt(M_TOP_PAD, 64 << 20);
}

}  // namespace

void set_memory_budget(Bytes budget) {
  static const bool installed = [] {
    keep_freed_memory();
    c10::SetAllocator(c10::DeviceType::CPU, &allocator(), /*priority=*/1);
    return true;
  }();
  (void)installed;
  allocator().set_budget(budget);
}

Bytes memory_in_use() {
  return allocator().in_use();
}
Bytes peak_memory() {
  return allocator().peak();
}
void reset_peak_memory() {
  allocator().reset_peak();
}

}  // namespace saturn
