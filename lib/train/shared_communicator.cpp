// SPDX-License-Identifier: Apache-2.0
#include "train/shared_communicator.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fmt/format.h>

namespace saturn {
namespace {

/// How often a sleeping rank looks after its peers.
constexpr Seconds kLookAtRanks{0.02};

}  // namespace

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

SharedCommunicator::SharedCommunicator(std::shared_ptr<const SharedSegment> segment, int rank,
                                       Seconds timeout)
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

void SharedCommunicator::wait(Gate& gate, std::uint32_t target, int peer) {
  if (wait_at_gate(gate, target, kLookAtRanks)) return;
  const auto start = std::chrono::steady_clock::now();
  while (true) {
    if (segment_->is_aborted()) throw CommunicatorError(segment_->abort_reason());
    const std::string loss = segment_->loss_of(peer);
    if (reached(gate, target)) return;  // it came before it went
    if (!loss.empty()) die(loss);
    if (Seconds(std::chrono::steady_clock::now() - start) > timeout_) {
      die(fmt::format("rank {} waited {} for rank {}, which did not come", segment_->number_of(rank_),
                      to_text_duration(timeout_), segment_->number_of(peer)));
    }
    if (wait_at_gate(gate, target, kLookAtRanks)) return;
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
    die(fmt::format("rank {} calls {}, rank {} calls {}", segment_->number_of(peer), describe(call),
                    segment_->number_of(0), describe(first)));
  }
}

void SharedCommunicator::begin_message(int peer, const char* what) const {
  check_peer(peer, what);
  if (segment_->is_aborted()) throw CommunicatorError(segment_->abort_reason());
}

void SharedCommunicator::send_chunk(Message& message, int to) {
  ChannelRecord& channel = segment_->channel(rank_, to);
  std::uint32_t written = channel.written.value.load(std::memory_order_relaxed);
  if (written == 0) segment_->reserve_channel(rank_, to);
  wait(channel.read, written - 1, to);  // at most one chunk unread: the other place is free
  const std::size_t n = std::min(channel_bytes_, message.bytes - message.done);
  channel.calls[written % 2] = call_of(Operation::kMessage, message.buffer);
  if (n > 0) std::memcpy(segment_->channel_slot(rank_, to, written), message.next(), n);
  message.done += n;
  message.begun = true;
  open_gate(channel.written, written + 1);
}

void SharedCommunicator::receive_chunk(Message& message, int from) {
  ChannelRecord& channel = segment_->channel(from, rank_);
  const std::uint32_t read = channel.read.value.load(std::memory_order_relaxed);
  const Call expected = call_of(Operation::kMessage, message.buffer);
  wait(channel.written, read + 1, from);
  const Call sent = channel.calls[read % 2];
  if (sent != expected) {
    die(fmt::format("rank {} sends a {}, rank {} expects a {}", segment_->number_of(from), describe(sent),
                    segment_->number_of(rank_), describe(expected)));
  }
  const std::size_t n = std::min(channel_bytes_, message.bytes - message.done);
  if (n > 0) std::memcpy(message.next(), segment_->channel_slot(from, rank_, read), n);
  message.done += n;
  message.begun = true;
  open_gate(channel.read, read + 1);
}

void SharedCommunicator::send(Buffer buffer, int to) {
  begin_message(to, "send to");
  for (Message message(buffer); !message.complete();) send_chunk(message, to);
}

void SharedCommunicator::receive(Buffer buffer, int from) {
  begin_message(from, "receive from");
  for (Message message(buffer); !message.complete();) receive_chunk(message, from);
}

/// Chunks in turns: chunk i can be written once the peer has read chunk i-2, which it does before it writes
/// its own chunk i-1. Neither waits for what the other does only later.
void SharedCommunicator::exchange(Buffer sent, Buffer received, int peer) {
  begin_message(peer, "exchange with");
  Message out(sent), in(received);
  while (!out.complete() || !in.complete()) {
    if (!out.complete()) send_chunk(out, peer);
    if (!in.complete()) receive_chunk(in, peer);
  }
}

void SharedCommunicator::check_peer(int peer, const char* what) const {
  if (peer < 0 || peer >= size()) {
    throw std::logic_error(fmt::format("{} rank {} of {}", what, peer, size()));
  }
}

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
