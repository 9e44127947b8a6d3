// SPDX-License-Identifier: Apache-2.0
#include "train/snapshot.h"

#include "train/host_memory.h"

namespace saturn {
namespace {

constexpr Bytes kAlignment = 64;

Bytes aligned(Bytes bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

Bytes Snapshot::bytes_for(const ShardWriter& shard) {
  Bytes sum = 0;
  for (const TensorPart& part : shard.parts()) sum += aligned(static_cast<Bytes>(part.values.nbytes()));
  return sum;
}

void Snapshot::take(const ShardWriter& shard) {
  parts_.clear();
  if (const Bytes needed = bytes_for(shard); needed > capacity()) {
    memory_.reset();  // before the new one is asked for
    memory_ = host_empty({needed}, at::kByte, device_);
  }
  Bytes place = 0;
  for (const TensorPart& part : shard.parts()) {
    const auto bytes = static_cast<Bytes>(part.values.nbytes());
    const bool last = parts_.size() + 1 == shard.parts().size();
    const at::Tensor copy =
        memory_.narrow(0, place, bytes).view(part.values.scalar_type()).view(part.values.sizes());
    copy.copy_(part.values.detach(), /*non_blocking=*/!last);  // waiting for the last waits for all
    parts_.push_back({part.name, part.shape, part.offset, copy});
    place += aligned(bytes);
  }
}

}  // namespace saturn
