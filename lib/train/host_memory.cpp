// SPDX-License-Identifier: Apache-2.0
#include "train/host_memory.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/util/Exception.h>
#include <c10/util/accumulate.h>
#include <cstring>
#include <fmt/format.h>
#include <sys/mman.h>

#include "base/units.h"

namespace saturn {

at::Tensor host_empty(at::IntArrayRef sizes, at::ScalarType dtype, at::Device device) {
  const at::TensorOptions options = at::TensorOptions(dtype).device(at::kCPU);
  if (device.is_cuda()) return at::empty(sizes, options.pinned_memory(true));
  const std::size_t bytes = static_cast<std::size_t>(c10::multiply_integers(sizes)) * c10::elementSize(dtype);
  if (bytes == 0) return at::empty(sizes, options);
  void* pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) {
    throw c10::OutOfMemoryError(
        {__func__, __FILE__, static_cast<std::uint32_t>(__LINE__)},
        fmt::format("out of memory: the machine has no {} left", to_text_bytes(static_cast<Bytes>(bytes))));
  }
  ::madvise(pages, bytes, MADV_HUGEPAGE);  // the first touch of 4-KiB pages takes longer than the copy
  return at::from_blob(
      pages, sizes, [bytes](void* data) { ::munmap(data, bytes); }, options);
}

}  // namespace saturn
