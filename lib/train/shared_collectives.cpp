// SPDX-License-Identifier: Apache-2.0
// The collectives' ways through the ranks' slots. Meeting and messages are in shared_communicator.cpp.
#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "train/reduce.h"
#include "train/shared_communicator.h"

namespace saturn {
namespace {

/// Elements [begin, end) of something.
struct Range {
  std::size_t begin = 0, end = 0;
  std::size_t count() const { return end - begin; }
};

/// Part `index` of `parts` equal ones (the last are shorter or empty).
Range part_of(Range whole, int index, int parts) {
  const std::size_t each = (whole.count() + parts - 1) / static_cast<std::size_t>(parts);
  const std::size_t begin = std::min(whole.begin + each * static_cast<std::size_t>(index), whole.end);
  return {begin, std::min(begin + each, whole.end)};
}

}  // namespace

void check_parts(const Buffer& part, const Buffer& whole, int size) {
  const bool right = part.dtype == whole.dtype && whole.count == part.count * static_cast<std::size_t>(size);
  if (!right) throw std::logic_error("a buffer of size() parts is not size() times as long as one part");
}

std::vector<const void*> SharedCommunicator::sources(std::size_t round, std::size_t part_bytes,
                                                     const void* own) const {
  std::vector<const void*> sources;
  for (int peer = 0; peer < size(); ++peer) {
    sources.push_back(peer == rank_ ? own : slot(peer, round) + part_bytes * static_cast<std::size_t>(rank_));
  }
  return sources;
}

void SharedCommunicator::all_reduce(Buffer buffer, Reduction reduction) {
  const std::size_t bytes = buffer.count * size_of(buffer.dtype);
  const bool small = bytes <= kInlineBytes;
  enter(call_of(Operation::kAllReduce, buffer, static_cast<std::uint32_t>(reduction)), buffer.data,
        small ? bytes : 0);
  if (!small) return reduce_rounds(buffer, reduction);
  std::vector<const void*> payloads;
  for (int peer = 0; peer < size(); ++peer) payloads.push_back(payload(peer));
  reduce(payloads, buffer.count, buffer.dtype, reduction, buffer.data);
}

/// A round takes one part for each rank. Stage 2k+1: the parts of the others are in my slot k % 2. Stage
/// 2k+2: my part, reduced, is in my slot, in the place where I have put nothing. Slot k % 2 is filled again
/// in round k+2, after all ranks were waited for at stage 2k+2 (they have read it) and at 2k+3 (they have
/// fetched the results of round k-1).
void SharedCommunicator::reduce_rounds(Buffer buffer, Reduction reduction) {
  const std::size_t element = size_of(buffer.dtype);
  const std::size_t part = slot_bytes_ / element / static_cast<std::size_t>(size()) & ~std::size_t{31};
  const std::size_t round_count = part * static_cast<std::size_t>(size());
  const std::size_t rounds = (buffer.count + round_count - 1) / round_count;
  auto* data = static_cast<std::byte*>(buffer.data);

  const auto range = [&](std::size_t round, int owner) {
    const std::size_t begin = round * round_count;
    return part_of({begin, std::min(begin + round_count, buffer.count)}, owner, size());
  };
  const auto place = [&](int holder, std::size_t round, int owner) {
    return slot(holder, round) + part * element * static_cast<std::size_t>(owner);
  };
  const auto contribute = [&](std::size_t round) {
    for (int peer = 0; peer < size(); ++peer) {
      const Range r = range(round, peer);
      if (peer == rank_ || r.count() == 0) continue;
      std::memcpy(place(rank_, round, peer), data + r.begin * element, r.count() * element);
    }
    publish(2 * round + 1);
  };

  contribute(0);
  for (std::size_t round = 0; round < rounds; ++round) {
    wait_for_all(2 * round + 1);
    const Range mine = range(round, rank_);
    std::byte* own = data + mine.begin * element;
    reduce(sources(round, part * element, own), mine.count(), buffer.dtype, reduction, own,
           place(rank_, round, rank_));
    publish(2 * round + 2);
    if (round + 1 < rounds) contribute(round + 1);
    for (int peer = 0; peer < size(); ++peer) {
      const Range r = range(round, peer);
      if (peer == rank_ || r.count() == 0) continue;
      wait_for(peer, 2 * round + 2);
      std::memcpy(data + r.begin * element, place(peer, round, peer), r.count() * element);
    }
    wait_for_all(2 * round + 2);
  }
  finish(2 * rounds);
}

/// Stage k+1: my slot k % 2 is full. It is filled again for round k+2 when all have come to stage k+2, which
/// they do after they have read round k.
void SharedCommunicator::reduce_scatter(Buffer input, Buffer output) {
  check_parts(output, input, size());
  enter(call_of(Operation::kReduceScatter, output), nullptr, 0);
  const std::size_t element = size_of(output.dtype);
  const std::size_t part = slot_bytes_ / element / static_cast<std::size_t>(size()) & ~std::size_t{31};
  const std::size_t rounds = (output.count + part - 1) / part;
  const auto* in = static_cast<const std::byte*>(input.data);
  auto* out = static_cast<std::byte*>(output.data);

  const auto contribute = [&](std::size_t round) {
    const std::size_t begin = round * part;
    const std::size_t count = std::min(part, output.count - begin);
    for (int peer = 0; peer < size(); ++peer) {
      if (peer == rank_) continue;
      const auto index = static_cast<std::size_t>(peer);
      std::memcpy(slot(rank_, round) + index * part * element, in + (index * output.count + begin) * element,
                  count * element);
    }
    publish(round + 1);
  };

  const std::byte* own = in + static_cast<std::size_t>(rank_) * output.count * element;
  if (rounds > 0) contribute(0);
  for (std::size_t round = 0; round < rounds; ++round) {
    wait_for_all(round + 1);
    const std::size_t begin = round * part;
    reduce(sources(round, part * element, own + begin * element), std::min(part, output.count - begin),
           output.dtype, Reduction::kSum, out + begin * element);
    if (round + 1 < rounds) contribute(round + 1);
  }
  finish(rounds);
}

void SharedCommunicator::all_gather(Buffer input, Buffer output) {
  check_parts(input, output, size());
  enter(call_of(Operation::kAllGather, input), nullptr, 0);
  const std::size_t bytes = input.count * size_of(input.dtype);
  const std::size_t rounds = (bytes + slot_bytes_ - 1) / slot_bytes_;
  const auto* in = static_cast<const std::byte*>(input.data);
  auto* out = static_cast<std::byte*>(output.data);
  const auto part = [&](int rank) { return out + static_cast<std::size_t>(rank) * bytes; };
  const auto contribute = [&](std::size_t round) {
    const std::size_t begin = round * slot_bytes_;
    std::memcpy(slot(rank_, round), in + begin, std::min(slot_bytes_, bytes - begin));
    publish(round + 1);
  };

  if (bytes > 0 && part(rank_) != in) std::memcpy(part(rank_), in, bytes);
  if (rounds > 0) contribute(0);
  for (std::size_t round = 0; round < rounds; ++round) {
    const std::size_t begin = round * slot_bytes_;
    for (int peer = 0; peer < size(); ++peer) {
      wait_for(peer, round + 1);
      if (peer == rank_) continue;
      std::memcpy(part(peer) + begin, slot(peer, round), std::min(slot_bytes_, bytes - begin));
    }
    if (round + 1 < rounds) contribute(round + 1);
  }
  finish(rounds);
}

/// Root's stage k+1: round k is in its slot. The others': round k has been read.
void SharedCommunicator::broadcast(Buffer buffer, int root) {
  check_peer(root, "broadcast from");
  const std::size_t bytes = buffer.count * size_of(buffer.dtype);
  const bool small = bytes <= kInlineBytes;
  enter(call_of(Operation::kBroadcast, buffer, static_cast<std::uint32_t>(root)), buffer.data,
        small && rank_ == root ? bytes : 0);
  if (small) {
    if (rank_ != root && bytes > 0) std::memcpy(buffer.data, payload(root), bytes);
    return;
  }
  const std::size_t rounds = (bytes + slot_bytes_ - 1) / slot_bytes_;
  for (std::size_t round = 0; round < rounds; ++round) {
    auto* here = static_cast<std::byte*>(buffer.data) + round * slot_bytes_;
    const std::size_t n = std::min(slot_bytes_, bytes - round * slot_bytes_);
    if (rank_ == root) {
      if (round >= 2) wait_for_all(round - 1);
      std::memcpy(slot(root, round), here, n);
    } else {
      wait_for(root, round + 1);
      std::memcpy(here, slot(root, round), n);
    }
    publish(round + 1);
  }
  finish(rounds);
}

}  // namespace saturn
