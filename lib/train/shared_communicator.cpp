// SPDX-License-Identifier: Apache-2.0
#include "train/shared_communicator.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fmt/format.h>
#include <vector>

#include "base/error.h"
#include "train/reduce.h"

namespace saturn {
namespace {

enum class Operation : std::uint32_t {
  kAllReduce,
  kAllGather,
  kReduceScatter,
  kBroadcast,
  kBarrier,
  kMessage
};

/// How often a sleeping rank looks after its peers.
constexpr Seconds kLookEvery{0.02};

std::string describe(const Call& call) {
  static constexpr const char* kNames[] = {"all_reduce", "all_gather", "reduce_scatter",
                                           "broadcast",  "barrier",    "message"};
  static constexpr const char* kDtypes[] = {"float32", "float64", "bfloat16", "int64"};
  const auto operation = static_cast<Operation>(call.operation);
  std::string text = kNames[call.operation];
  if (operation == Operation::kBarrier) return text;
  text += fmt::format(" of {} {}", call.count, kDtypes[call.dtype]);
  if (operation == Operation::kAllReduce) text += call.argument == 0 ? " (sum)" : " (max)";
  if (operation == Operation::kBroadcast) text += fmt::format(" from rank {}", call.argument);
  return text;
}

Call call_of(Operation operation, const Buffer& buffer, std::uint32_t argument = 0) {
  return {static_cast<std::uint32_t>(operation), static_cast<std::uint32_t>(buffer.dtype), argument,
          buffer.count};
}

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

/// Every collective begins with an entry: the ranks write down what they are about to do and meet. Whoever
/// has met everybody knows that all slots are free, since each has finished what it did before. Small
/// payloads come with the entry; larger ones go in rounds through two slots a rank, so that a rank fills one
/// while its peers read the other. `progress` of a rank counts its stages; stages are numbered alike on all.
class SharedCommunicator final : public Communicator {
 public:
  SharedCommunicator(std::shared_ptr<const SharedSegment> segment, int rank, Seconds timeout)
      : segment_(std::move(segment)),
        rank_(rank),
        timeout_(timeout),
        slot_bytes_(segment_->slot_bytes()),
        channel_bytes_(segment_->channel_bytes()) {
    segment_->enter(rank_);
    try {
      for (int peer = 0; peer < size(); ++peer) wait(record(peer).arrival, 1, peer);
    } catch (...) {
      segment_->leave(rank_);
      throw;
    }
  }
  ~SharedCommunicator() override { segment_->leave(rank_); }

  int rank() const override { return rank_; }
  int size() const override { return segment_->size(); }

  void all_reduce(Buffer buffer, Reduction reduction) override;
  void all_gather(Buffer input, Buffer output) override;
  void reduce_scatter(Buffer input, Buffer output) override;
  void broadcast(Buffer buffer, int root) override;
  void send(Buffer buffer, int to) override;
  void receive(Buffer buffer, int from) override;
  void barrier() override { enter(call_of(Operation::kBarrier, {}), nullptr, 0); }

  void abort(const std::string& reason) override { segment_->abort(reason); }
  std::string aborted() const override { return segment_->abort_reason(); }

 private:
  RankRecord& record(int rank) const { return segment_->rank(rank); }
  const std::byte* payload(int rank) const { return record(rank).entries[sequence_ % 2].payload.data(); }
  std::byte* slot(int rank, std::size_t round) const {
    return segment_->slot(rank, static_cast<std::uint32_t>(round));
  }

  /// Announces the call (with its payload, when `bytes` > 0) and meets all ranks.
  void enter(const Call& call, const void* data, std::size_t bytes);
  void check_calls(const Call& mine);
  void publish(std::size_t stage) {
    open_gate(record(rank_).progress, base_ + static_cast<std::uint32_t>(stage));
  }
  void wait_for(int peer, std::size_t stage) {
    if (peer != rank_) wait(record(peer).progress, base_ + static_cast<std::uint32_t>(stage), peer);
  }
  void wait_for_all(std::size_t stage) {
    for (int peer = 0; peer < size(); ++peer) wait_for(peer, stage);
  }
  void finish(std::size_t stages) { base_ += static_cast<std::uint32_t>(stages); }
  void wait(Gate& gate, std::uint32_t target, int peer);
  [[noreturn]] void die(const std::string& reason) {
    segment_->abort(reason);
    throw CommunicatorError(segment_->abort_reason());
  }

  void reduce_rounds(Buffer buffer, Reduction reduction);
  /// What the ranks' slots (this rank's own part: `own`) hold of part rank(), in the order of ranks.
  std::vector<const void*> sources(std::size_t round, std::size_t part_bytes, const void* own) const;
  void check_parts(const Buffer& part, const Buffer& whole) const;
  void check_peer(int peer, const char* what) const;

  std::shared_ptr<const SharedSegment> segment_;
  int rank_;
  Seconds timeout_;
  std::size_t slot_bytes_, channel_bytes_;
  std::uint32_t base_ = 0;      ///< progress at the start of the current call, the same on all ranks
  std::uint32_t sequence_ = 0;  ///< calls so far
};

void SharedCommunicator::wait(Gate& gate, std::uint32_t target, int peer) {
  if (wait_at_gate(gate, target, kLookEvery)) return;
  const auto start = std::chrono::steady_clock::now();
  while (true) {
    if (segment_->is_aborted()) throw CommunicatorError(segment_->abort_reason());
    const std::string loss = segment_->loss_of(peer);
    if (reached(gate, target)) return;  // it came before it went
    if (!loss.empty()) die(loss);
    if (Seconds(std::chrono::steady_clock::now() - start) > timeout_) {
      die(fmt::format("rank {} waited {} for rank {}, which did not come", rank_, to_text_duration(timeout_),
                      peer));
    }
    if (wait_at_gate(gate, target, kLookEvery)) return;
  }
}

void SharedCommunicator::enter(const Call& call, const void* data, std::size_t bytes) {
  if (segment_->is_aborted()) throw CommunicatorError(segment_->abort_reason());
  ++sequence_;
  Entry& entry = record(rank_).entries[sequence_ % 2];
  entry.call = call;
  if (bytes > 0) std::memcpy(entry.payload.data(), data, bytes);
  publish(1);
  wait_for_all(1);
  base_ += 1;
  check_calls(call);
}

void SharedCommunicator::check_calls(const Call& mine) {
  const Call& first = record(0).entries[sequence_ % 2].call;
  for (int peer = 1; peer < size(); ++peer) {
    const Call& call = peer == rank_ ? mine : record(peer).entries[sequence_ % 2].call;
    if (call == first) continue;
    die(fmt::format("rank {} calls {}, rank 0 calls {}", peer, describe(call), describe(first)));
  }
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
  check_parts(output, input);
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
  check_parts(input, output);
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

void SharedCommunicator::send(Buffer buffer, int to) {
  check_peer(to, "send to");
  if (segment_->is_aborted()) throw CommunicatorError(segment_->abort_reason());
  ChannelRecord& channel = segment_->channel(rank_, to);
  std::uint32_t written = channel.written.value.load(std::memory_order_relaxed);
  if (written == 0) segment_->reserve_channel(rank_, to);
  const std::size_t bytes = buffer.count * size_of(buffer.dtype);
  std::size_t begin = 0;
  do {
    wait(channel.read, written - 1, to);  // at most one chunk unread: the other place is free
    const std::size_t n = std::min(channel_bytes_, bytes - begin);
    channel.calls[written % 2] = call_of(Operation::kMessage, buffer);
    if (n > 0) {
      std::memcpy(segment_->channel_slot(rank_, to, written),
                  static_cast<const std::byte*>(buffer.data) + begin, n);
    }
    begin += n;
    open_gate(channel.written, ++written);
  } while (begin < bytes);
}

void SharedCommunicator::receive(Buffer buffer, int from) {
  check_peer(from, "receive from");
  if (segment_->is_aborted()) throw CommunicatorError(segment_->abort_reason());
  ChannelRecord& channel = segment_->channel(from, rank_);
  std::uint32_t read = channel.read.value.load(std::memory_order_relaxed);
  const Call expected = call_of(Operation::kMessage, buffer);
  const std::size_t bytes = buffer.count * size_of(buffer.dtype);
  std::size_t begin = 0;
  do {
    wait(channel.written, read + 1, from);
    const Call sent = channel.calls[read % 2];
    if (sent != expected) {
      die(fmt::format("rank {} sends a {}, rank {} expects a {}", from, describe(sent), rank_,
                      describe(expected)));
    }
    const std::size_t n = std::min(channel_bytes_, bytes - begin);
    if (n > 0) {
      std::memcpy(static_cast<std::byte*>(buffer.data) + begin, segment_->channel_slot(from, rank_, read), n);
    }
    begin += n;
    open_gate(channel.read, ++read);
  } while (begin < bytes);
}

void SharedCommunicator::check_parts(const Buffer& part, const Buffer& whole) const {
  const bool right =
      part.dtype == whole.dtype && whole.count == part.count * static_cast<std::size_t>(size());
  if (!right) throw std::logic_error("a buffer of size() parts is not size() times as long as one part");
}

void SharedCommunicator::check_peer(int peer, const char* what) const {
  if (peer < 0 || peer >= size()) {
    throw std::logic_error(fmt::format("{} rank {} of {}", what, peer, size()));
  }
}

}  // namespace

std::unique_ptr<Communicator> make_communicator_on(std::shared_ptr<const SharedSegment> segment, int rank,
                                                   Seconds timeout) {
  return std::make_unique<SharedCommunicator>(std::move(segment), rank, timeout);
}

std::unique_ptr<Communicator> make_shared_memory_communicator(const std::filesystem::path& rendezvous,
                                                              int rank, int size, Seconds timeout,
                                                              int generation) {
  if (size < 1 || size > kMaxRanks || rank < 0 || rank >= size) {
    throw std::logic_error(
        fmt::format("rank {} of {}: at most {} ranks share memory", rank, size, kMaxRanks));
  }
  return make_communicator_on(
      std::make_shared<const SharedSegment>(rendezvous, size, SegmentShape{.generation = generation}), rank,
      timeout);
}

}  // namespace saturn
