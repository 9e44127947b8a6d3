// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <future>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>

#include "launch/event.h"
#include "train/rank_context.h"
#include "train/snapshot.h"

namespace saturn {

/// How the writing of a checkpoint ended.
using CheckpointOutcome = std::variant<Checkpointed, CheckpointFailed>;

/// Checkpoints of all ranks together, written while they train on: begin() copies what this rank keeps into
/// host memory, a thread writes it; when all have, one of rank 0 joins the shards and keeps the newest
/// `job.keep_checkpoints`. One at a time. The ranks hear of each other through the agreement that training
/// makes at every step anyway: each tells whether it is writing(), and takes in what all said by advance().
///
/// A disk that is full or gone is an outcome, the same on every rank; what was there before is left. Errors
/// of the methods that return outcomes: CommunicatorError, CheckpointError (the ranks' parts do not make
/// whole tensors), and whatever Trainer::save throws. To be called inside with_abort: what one rank throws
/// the others do not see here. Every rank calls the same of these methods.
class BackgroundCheckpoint {
 public:
  /// Both outlive it. Writes into `root`.
  BackgroundCheckpoint(const RankContext& context, std::filesystem::path root);
  BackgroundCheckpoint(const BackgroundCheckpoint&) = delete;
  BackgroundCheckpoint& operator=(const BackgroundCheckpoint&) = delete;
  /// What is being written is given up.
  ~BackgroundCheckpoint();

  /// Fetches the memory for the copies in the background, so that the first one takes no longer than the
  /// others; not while busy.
  void reserve(Trainer& trainer);
  bool reserved() const { return reserved_; }
  /// Not while busy. When the host has no memory for the copies on some rank, the checkpoint is written
  /// before this returns.
  [[nodiscard]] std::optional<CheckpointOutcome> begin(Trainer& trainer, std::int64_t step);
  /// Begins without a copy, and waits for the end.
  [[nodiscard]] CheckpointOutcome write(Trainer& trainer, std::int64_t step);

  bool busy() const { return phase_ != Phase::kIdle; }
  /// Whether this rank still has something to do for the phase that it is in.
  bool writing() const;
  /// Goes on to the next phase when no rank was writing() at one moment. The end of reserve() is no outcome.
  [[nodiscard]] std::optional<CheckpointOutcome> advance(bool any_writing);
  /// Waits for the end of what is being written, if anything.
  [[nodiscard]] std::optional<CheckpointOutcome> finish();

 private:
  enum class Phase { kIdle, kReserving, kShards, kJoining };

  /// Makes the directory and collects what this rank keeps.
  std::optional<CheckpointOutcome> prepare(Trainer& trainer, std::int64_t step, ShardWriter& live);
  /// Whether every rank has taken its copy.
  bool take_snapshots(const ShardWriter& live);
  bool memory_for(Bytes needed) const;
  void write_shards(const std::vector<TensorPart>& parts, ReadAgain read_again);
  void join_shards() const;
  CheckpointOutcome end(const std::string& error);

  const RankContext& context_;
  std::filesystem::path root_;
  Snapshot snapshot_;
  Phase phase_ = Phase::kIdle;
  bool reserved_ = false;
  std::int64_t step_ = 0;
  Bytes bytes_ = 0;  ///< of all ranks
  double began_at_ = 0, held_seconds_ = 0;
  std::stop_source stop_;
  std::future<std::string> work_;  ///< the error, empty when all is well; the last member: it ends first
};

}  // namespace saturn
