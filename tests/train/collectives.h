// SPDX-License-Identifier: Apache-2.0
// Collectives tried on known numbers, in whatever memory.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <functional>
#include <string>
#include <vector>

#include "train/communicator.h"

namespace saturn {

/// A number as an element of a dtype, and back. Small whole numbers are exact in all of them.
struct Element {
  static void put(std::byte* at, Dtype dtype, double value) {
    const auto as_float = static_cast<float>(value);
    const auto as_integer = static_cast<std::int64_t>(value);
    if (dtype == Dtype::kFloat32) std::memcpy(at, &as_float, 4);
    if (dtype == Dtype::kFloat64) std::memcpy(at, &value, 8);
    if (dtype == Dtype::kInt64) std::memcpy(at, &as_integer, 8);
    if (dtype == Dtype::kBFloat16) std::memcpy(at, reinterpret_cast<const std::byte*>(&as_float) + 2, 2);
  }
  static double get(const std::byte* at, Dtype dtype) {
    float as_float = 0;
    double value = 0;
    std::int64_t as_integer = 0;
    if (dtype == Dtype::kFloat64) return std::memcpy(&value, at, 8), value;
    if (dtype == Dtype::kInt64) return std::memcpy(&as_integer, at, 8), static_cast<double>(as_integer);
    if (dtype == Dtype::kFloat32) return std::memcpy(&as_float, at, 4), as_float;
    std::memcpy(reinterpret_cast<std::byte*>(&as_float) + 2, at, 2);
    return as_float;
  }
};

/// The memory that numbers are in.
class Memory {
 public:
  virtual ~Memory() = default;
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* memory) = 0;
  virtual void copy(void* to, const void* from, std::size_t bytes) = 0;
  /// After everything that was queued before.
  virtual void read(void* to, const void* from, std::size_t bytes) { copy(to, from, bytes); }
};

class HostMemory final : public Memory {
 public:
  void* allocate(std::size_t bytes) override { return std::malloc(bytes); }
  void release(void* memory) override { std::free(memory); }
  void copy(void* to, const void* from, std::size_t bytes) override {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
};

inline Memory& host_memory() {
  static HostMemory instance;
  return instance;
}

class Numbers {
 public:
  Numbers(std::size_t count, Dtype dtype, const std::function<double(std::size_t)>& value,
          Memory& memory = host_memory())
      : dtype_(dtype), count_(count), memory_(memory), data_(memory.allocate(bytes())) {
    std::vector<std::byte> elements(bytes());
    for (std::size_t i = 0; i < count; ++i) {
      Element::put(elements.data() + i * size_of(dtype), dtype, value(i));
    }
    memory_.copy(data_, elements.data(), bytes());
  }
  Numbers(const Numbers& other)
      : dtype_(other.dtype_),
        count_(other.count_),
        memory_(other.memory_),
        data_(other.memory_.allocate(other.bytes())) {
    memory_.copy(data_, other.data_, bytes());
  }
  Numbers& operator=(const Numbers&) = delete;
  ~Numbers() { memory_.release(data_); }

  Buffer buffer() const { return {data_, count_, dtype_}; }
  Buffer part(std::size_t index, std::size_t parts) const {
    const std::size_t n = count_ / parts;
    return {static_cast<std::byte*>(data_) + index * n * size_of(dtype_), n, dtype_};
  }
  /// Empty when every element is as expected.
  std::string differs(const char* what, const std::function<double(std::size_t)>& expected) const {
    std::vector<std::byte> elements(bytes());
    memory_.read(elements.data(), data_, bytes());
    for (std::size_t i = 0; i < count_; ++i) {
      const double is = Element::get(elements.data() + i * size_of(dtype_), dtype_);
      if (is != expected(i)) {
        return fmt::format("{}, dtype {}, {} elements: element {} is {}, not {}\n", what,
                           static_cast<int>(dtype_), count_, i, is, expected(i));
      }
    }
    return "";
  }

 private:
  std::size_t bytes() const { return count_ * size_of(dtype_); }

  Dtype dtype_;
  std::size_t count_;
  Memory& memory_;
  void* data_;
};

inline double value_of(int rank, std::size_t i) {
  return static_cast<double>((i * 7 + i / 1000 + rank * 11u) % 23);
}

/// Every collective once, on buffers in that memory; what is wrong with the results.
inline std::string try_collectives(Communicator& c, std::size_t count, Dtype dtype,
                                   Memory& memory = host_memory()) {
  const int n = c.size();
  const auto parts = static_cast<std::size_t>(n);
  const auto own = [&](std::size_t i) { return value_of(c.rank(), i); };
  const auto sum = [&](std::size_t i) {
    double total = 0;
    for (int r = 0; r < n; ++r) total += value_of(r, i);
    return total;
  };
  const auto max = [&](std::size_t i) {
    double most = 0;
    for (int r = 0; r < n; ++r) most = std::max(most, value_of(r, i));
    return most;
  };
  const auto zero = [](std::size_t) { return 0.0; };
  std::string wrong;

  Numbers a(count, dtype, own, memory);
  c.all_reduce(a.buffer(), Reduction::kSum);
  wrong += a.differs("all_reduce sum", sum);
  Numbers b(count, dtype, own, memory);
  c.all_reduce(b.buffer(), Reduction::kMax);
  wrong += b.differs("all_reduce max", max);

  const auto gathered = [&](std::size_t i) { return value_of(static_cast<int>(i / count), i % count); };
  Numbers input(count, dtype, own, memory), all(count * parts, dtype, zero, memory);
  c.all_gather(input.buffer(), all.buffer());
  wrong += all.differs("all_gather", gathered);
  Numbers in_place(
      count * parts, dtype, [&](std::size_t i) { return value_of(c.rank(), i % count); }, memory);
  c.all_gather(in_place.part(static_cast<std::size_t>(c.rank()), parts), in_place.buffer());
  wrong += in_place.differs("all_gather in place", gathered);

  Numbers whole(count * parts, dtype, own, memory), mine(count, dtype, zero, memory);
  c.reduce_scatter(whole.buffer(), mine.buffer());
  const std::size_t first = count * static_cast<std::size_t>(c.rank());
  wrong += mine.differs("reduce_scatter", [&](std::size_t i) { return sum(first + i); });

  for (int root : {0, n - 1}) {
    Numbers from_root(count, dtype, own, memory);
    c.broadcast(from_root.buffer(), root);
    wrong += from_root.differs("broadcast", [&](std::size_t i) { return value_of(root, i); });
  }
  if (n == 1) return wrong;
  // Around a ring; rank 0 receives first so that nobody depends on the room in the buffers.
  Numbers sent(count, dtype, own, memory), received(count, dtype, zero, memory);
  const int next = (c.rank() + 1) % n, previous = (c.rank() + n - 1) % n;
  if (c.rank() == 0) c.receive(received.buffer(), previous);
  c.send(sent.buffer(), next);
  if (c.rank() != 0) c.receive(received.buffer(), previous);
  c.barrier();
  return wrong + received.differs("send and receive", [&](std::size_t i) { return value_of(previous, i); });
}

}  // namespace saturn
