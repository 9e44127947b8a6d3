// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/units.h"

namespace saturn {

/// A counter in shared memory that one rank moves forward and others wait for.
struct alignas(64) Gate {
  std::atomic<std::uint32_t> value{0};
  std::atomic<std::uint32_t> sleepers{0};
};

inline constexpr int kMaxRanks = 64;
/// A payload of at most this size travels with the call itself: one meeting of the ranks instead of three.
inline constexpr std::size_t kInlineBytes = 4096;
inline constexpr std::size_t kReasonBytes = 2048;

/// Equal on all ranks. Sizes are multiples of 4096.
struct SegmentShape {
  int generation = 0;
  /// Of one of a rank's two buffers for collectives; small enough for both ranks' to stay in a core's cache.
  std::size_t slot_bytes = std::size_t{512} << 10;
  /// Of one of the two buffers from one rank to another.
  std::size_t channel_bytes = std::size_t{256} << 10;
  /// How messages name the ranks, of a gang that goes on on other hosts: numbers begin with this.
  int first_rank = 0;
  std::string host{};  ///< named with them; empty: there is no other
};

/// What a rank says it is about to do; peers compare.
struct Call {
  std::uint32_t operation = 0;
  std::uint32_t dtype = 0;
  std::uint32_t argument = 0;  ///< reduction or root
  std::uint64_t count = 0;

  bool operator==(const Call&) const = default;
};
struct Entry {
  Call call;
  alignas(64) std::array<std::byte, kInlineBytes> payload;
};

enum class Presence : std::uint32_t { kAbsent, kPresent, kLeft };

struct RankRecord {
  alignas(64) std::atomic<Presence> presence;
  std::atomic<std::int32_t> process;
  std::atomic<std::uint64_t> started;  ///< of the process, so that a reused id is no sign of life
  Gate arrival;                        ///< 1 when the rank is there
  Gate progress;                       ///< stages of collectives behind it
  /// Of a gang on several hosts (hosts_collectives.cpp): pieces that it has contributed, has published the
  /// results of, and has done with.
  Gate contributed, published, finished;
  std::array<Entry, 2> entries;
};
struct ChannelRecord {
  Gate written, read;  ///< chunks so far
  std::array<Call, 2> calls;
};
struct SegmentHeader {
  std::atomic<std::uint64_t> magic;
  std::atomic<std::uint32_t> world_size;
  std::atomic<std::uint32_t> abort_state;  ///< 0 = none, 1 = the reason is being written, 2 = it is there
  std::array<char, kReasonBytes> abort_reason;
};

/// The memory that the ranks of a gang share: a header, a record per rank, then records and buffers. All
/// zeros is its valid first state, so there is no moment at which it is half made. Several ranks of one
/// process may share one object.
class SharedSegment {
 public:
  /// Sizes the file where that is still to do and maps it. Each generation has a place of its own in the
  /// file. Errors: SystemError, CommunicatorError (made by
  /// something else, or for another number of ranks).
  SharedSegment(const std::filesystem::path& rendezvous, int size, SegmentShape shape = {});
  ~SharedSegment();
  SharedSegment(const SharedSegment&) = delete;
  SharedSegment& operator=(const SharedSegment&) = delete;

  int size() const { return size_; }
  std::size_t slot_bytes() const { return shape_.slot_bytes; }
  std::size_t channel_bytes() const { return shape_.channel_bytes; }
  /// The number of this rank in the gang, which messages name.
  int number_of(int rank) const { return shape_.first_rank + rank; }
  SegmentHeader& header() const { return *reinterpret_cast<SegmentHeader*>(base_); }
  RankRecord& rank(int rank) const;
  std::byte* slot(int rank, std::uint32_t round) const;
  ChannelRecord& channel(int from, int to) const;
  std::byte* channel_slot(int from, int to, std::uint32_t chunk) const;
  /// Makes sure that the pages of a channel exist: writing to them cannot fail then. Errors: SystemError.
  void reserve_channel(int from, int to) const;

  /// Takes the place of `rank`. Errors: CommunicatorError when it is taken.
  void enter(int rank) const;
  void leave(int rank) const;
  /// Why nothing is to be expected of this rank any more: "rank 1 (process 17) died"; empty while it lives.
  /// One that has not come yet is known from the generation before, if there was one.
  std::string loss_of(int rank) const;

  /// The first reason stays.
  void abort(const std::string& reason) const;
  bool is_aborted() const { return header().abort_state.load(std::memory_order_acquire) != 0; }
  std::string abort_reason() const;

 private:
  std::size_t channels_at() const;
  std::size_t channel_slots_at() const;
  std::size_t channel_index(int from, int to) const;
  void reserve(std::size_t offset, std::size_t bytes) const;
  void claim() const;
  std::string loss_since_last_generation(int rank) const;
  std::string death_of(int rank, std::int32_t process, std::uint64_t started) const;
  std::string describe(int rank, std::int32_t process) const;

  std::string name_;
  int size_;
  SegmentShape shape_;
  FileDescriptor fd_;
  std::size_t bytes_ = 0;
  std::size_t origin_ = 0;  ///< of this generation in the file
  std::byte* base_ = nullptr;
};

/// Moves the gate to `value` and wakes who sleeps on it.
void open_gate(Gate& gate, std::uint32_t value);
/// Whether the gate has come to `target` (counters may wrap around).
bool reached(const Gate& gate, std::uint32_t target);
/// Spins, yields, then sleeps; returns whether the gate came to `target` within about `slice`.
bool wait_at_gate(Gate& gate, std::uint32_t target, Seconds slice);

}  // namespace saturn
