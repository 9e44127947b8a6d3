// SPDX-License-Identifier: Apache-2.0
#include "train/snapshot.h"

#include <ATen/Parallel.h>
#include <cstring>

#include "train/host_memory.h"

namespace saturn {
namespace {

constexpr Bytes kAlignment = 64;

Bytes aligned(Bytes bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

/// memcpy writes past the cache; copy_ reads what it overwrites.
void copy_bytes(void* to, const void* from, Bytes bytes) {
  at::parallel_for(0, bytes, 1 << 20, [to, from](Bytes begin, Bytes end) {
    std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin,
                static_cast<std::size_t>(end - begin));
  });
}

}  // namespace

Bytes Snapshot::bytes_for(const ShardWriter& shard) {
  Bytes sum = 0;
  for (const TensorPart& part : shard.parts()) sum += aligned(static_cast<Bytes>(part.values.nbytes()));
  return sum;
}

void Snapshot::reserve(Bytes bytes) {
  if (bytes <= capacity()) return;
  parts_.clear();
  memory_.reset();  // before the new one is asked for
  memory_ = host_empty({bytes}, at::kByte, device_);
  std::memset(memory_.mutable_data_ptr(), 0, static_cast<std::size_t>(bytes));
}

void Snapshot::take(const ShardWriter& shard) {
  parts_.clear();
  reserve(bytes_for(shard));
  Bytes place = 0;
  for (const TensorPart& part : shard.parts()) {
    const auto bytes = static_cast<Bytes>(part.values.nbytes());
    const bool last = parts_.size() + 1 == shard.parts().size();
    const at::Tensor copy =
        memory_.narrow(0, place, bytes).view(part.values.scalar_type()).view(part.values.sizes());
    const at::Tensor from = part.values.detach();
    if (from.is_cpu() && from.is_contiguous())
      copy_bytes(copy.mutable_data_ptr(), from.const_data_ptr(), bytes);
    else
      copy.copy_(from, /*non_blocking=*/!last);  // waiting for the last waits for all
    parts_.push_back({part.name, part.shape, part.offset, copy});
    place += aligned(bytes);
  }
}

}  // namespace saturn
