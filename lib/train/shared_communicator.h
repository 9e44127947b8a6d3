// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "train/communicator.h"
#include "train/shared_segment.h"

namespace saturn {

/// As it stands in Call::operation.
enum class Operation : std::uint32_t {
  kAllReduce,
  kAllGather,
  kReduceScatter,
  kBroadcast,
  kBarrier,
  kMessage
};

inline Call call_of(Operation operation, const Buffer& buffer, std::uint32_t argument = 0) {
  return {static_cast<std::uint32_t>(operation), static_cast<std::uint32_t>(buffer.dtype), argument,
          buffer.count};
}

/// "all_reduce of 5 float32 (sum)".
std::string describe(const Call& call);

/// Errors: std::logic_error when `whole` is not `size` parts like `part`.
void check_parts(const Buffer& part, const Buffer& whole, int size);

/// Every collective begins with an entry: the ranks write down what they are about to do and meet. Whoever
/// has met everybody knows that all slots are free, since each has finished what it did before. Small
/// payloads come with the entry; larger ones go in rounds through two slots a rank, so that a rank fills one
/// while its peers read the other. `progress` of a rank counts its stages; stages are numbered alike on all.
class SharedCommunicator final : public Communicator {
 public:
  /// Comes to the segment and waits for the other ranks. Errors: CommunicatorError.
  SharedCommunicator(std::shared_ptr<const SharedSegment> segment, int rank, Seconds timeout);
  ~SharedCommunicator() override { segment_->leave(rank_); }

  int rank() const override { return rank_; }
  int size() const override { return segment_->size(); }

  void all_reduce(Buffer buffer, Reduction reduction) override;
  void all_gather(Buffer input, Buffer output) override;
  void reduce_scatter(Buffer input, Buffer output) override;
  void broadcast(Buffer buffer, int root) override;
  void send(Buffer buffer, int to) override;
  void receive(Buffer buffer, int from) override;
  void exchange(Buffer sent, Buffer received, int peer) override;
  void barrier() override { meet(call_of(Operation::kBarrier, {})); }
  /// Waits until every rank calls it, and compares what they are about to do.
  void meet(const Call& call) { enter(call, nullptr, 0); }

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

  /// A message on its way through a channel, chunk by chunk; an empty one takes a chunk, too.
  struct Message {
    explicit Message(const Buffer& whole) : buffer(whole), bytes(whole.count * size_of(whole.dtype)) {}
    bool complete() const { return begun && done == bytes; }
    std::byte* next() const { return static_cast<std::byte*>(buffer.data) + done; }

    Buffer buffer;
    std::size_t bytes;
    std::size_t done = 0;
    bool begun = false;
  };
  void begin_message(int peer, const char* what) const;
  void send_chunk(Message& message, int to);
  void receive_chunk(Message& message, int from);

  void reduce_rounds(Buffer buffer, Reduction reduction);
  /// What the ranks' slots (this rank's own part: `own`) hold of part rank(), in the order of ranks.
  std::vector<const void*> sources(std::size_t round, std::size_t part_bytes, const void* own) const;
  void check_peer(int peer, const char* what) const;

  std::shared_ptr<const SharedSegment> segment_;
  int rank_;
  Seconds timeout_;
  std::size_t slot_bytes_, channel_bytes_;
  std::uint32_t base_ = 0;      ///< progress at the start of the current call, the same on all ranks
  std::uint32_t sequence_ = 0;  ///< calls so far
};

/// Rank `rank` on a segment that other ranks of this process may share. As make_shared_memory_communicator.
std::unique_ptr<Communicator> make_communicator_on(std::shared_ptr<const SharedSegment> segment, int rank,
                                                   Seconds timeout);

}  // namespace saturn
