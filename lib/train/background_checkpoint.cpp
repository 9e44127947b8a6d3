// SPDX-License-Identifier: Apache-2.0
#include "train/background_checkpoint.h"

#include <algorithm>
#include <c10/util/Exception.h>
#include <chrono>
#include <functional>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "cluster/machine.h"
#include "train/agreement.h"
#include "train/checkpoint.h"
#include "train/data.h"
#include "train/model.h"

namespace saturn {
namespace {

/// What the environment refused; empty when it did not. Parts that make no whole tensors (CheckpointError)
/// are none of that: that parallelism would never have a checkpoint, and the gang ends at the first one.
std::string refusal(const std::function<void()>& body) {
  try {
    body();
    return "";
  } catch (const SystemError& error) {
    return error.what();
  } catch (const std::filesystem::filesystem_error& error) {
    return error.what();
  }
}

std::future<std::string> in_background(std::function<void()> body) {
  return std::async(std::launch::async, [body = std::move(body)] { return refusal(body); });
}

}  // namespace

BackgroundCheckpoint::BackgroundCheckpoint(const RankContext& context, std::filesystem::path root)
    : context_(context), root_(std::move(root)), snapshot_(context.mesh.device) {}

BackgroundCheckpoint::~BackgroundCheckpoint() {
  stop_.request_stop();
}

std::optional<CheckpointOutcome> BackgroundCheckpoint::begin(Trainer& trainer, std::int64_t step) {
  ShardWriter live;
  if (auto failed = prepare(trainer, step, live)) return failed;
  const bool copied = take_snapshots(live);
  write_shards(copied ? snapshot_.parts() : live.parts(), ReadAgain::kMaybe);
  held_seconds_ = steady_seconds() - began_at_;
  return copied ? std::nullopt : finish();
}

CheckpointOutcome BackgroundCheckpoint::write(Trainer& trainer, std::int64_t step) {
  ShardWriter live;
  if (const auto failed = prepare(trainer, step, live)) return *failed;
  write_shards(live.parts(), ReadAgain::kSoon);  // by the next gang, or for the weights
  return *finish();
}

std::optional<CheckpointOutcome> BackgroundCheckpoint::prepare(Trainer& trainer, std::int64_t step,
                                                               ShardWriter& live) {
  began_at_ = steady_seconds();
  held_seconds_ = 0;
  step_ = step;
  const auto make = [&] { begin_checkpoint(root_, step); };
  const std::string error = agree_on_error(context_.communicator(), context_.leads() ? refusal(make) : "");
  if (!error.empty()) return end(error);
  trainer.save(live);
  bytes_ = agree_on_sum(context_.communicator(), live.bytes());
  return std::nullopt;
}

void BackgroundCheckpoint::reserve(Trainer& trainer) {
  ShardWriter live;
  trainer.save(live);
  bytes_ = agree_on_sum(context_.communicator(), live.bytes());
  reserved_ = true;
  phase_ = Phase::kReserving;
  const Bytes needed = Snapshot::bytes_for(live);
  if (!memory_for(needed)) return;
  work_ = in_background([this, needed] {
    try {
      snapshot_.reserve(needed);
    } catch (const c10::OutOfMemoryError&) {  // begin() asks again
    }
  });
}

/// The gang's ranks may all be on this host, and others take memory at the same time: twice what all need
/// must be there.
bool BackgroundCheckpoint::memory_for(Bytes needed) const {
  return needed <= snapshot_.capacity() || available_memory() >= 2 * bytes_;
}

bool BackgroundCheckpoint::take_snapshots(const ShardWriter& live) {
  bool copied = false;
  if (memory_for(Snapshot::bytes_for(live))) {
    try {
      snapshot_.take(live);
      copied = true;
    } catch (const c10::OutOfMemoryError&) {  // it is written in place, then
    }
  }
  return agree_on_max(context_.communicator(), std::int64_t{!copied}) == 0;
}

void BackgroundCheckpoint::write_shards(const std::vector<TensorPart>& parts, ReadAgain read_again) {
  phase_ = Phase::kShards;
  const ShardPlace place{root_, step_, context_.mesh.rank, context_.mesh.world_size, read_again};
  work_ = in_background([place, parts, stop = stop_.get_token()] { write_shard(place, parts, stop); });
}

void BackgroundCheckpoint::join_shards() const {
  const TaskSpec& task = context_.job.task;
  commit_checkpoint(root_, {step_, task.name, model_signature(task.model), data_signature(task), task.seed});
  prune_checkpoints(root_, context_.job.keep_checkpoints, step_);
}

bool BackgroundCheckpoint::writing() const {
  return work_.valid() && work_.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
}

std::optional<CheckpointOutcome> BackgroundCheckpoint::advance(bool any_writing) {
  if (!busy() || any_writing) return std::nullopt;
  const std::string mine = work_.valid() ? work_.get() : "";
  if (phase_ == Phase::kReserving) phase_ = Phase::kIdle;
  if (!busy()) return std::nullopt;
  const std::string error = agree_on_error(context_.communicator(), mine);
  if (!error.empty() || phase_ == Phase::kJoining) return end(error);
  phase_ = Phase::kJoining;
  if (context_.leads()) work_ = in_background([this] { join_shards(); });
  return std::nullopt;
}

std::optional<CheckpointOutcome> BackgroundCheckpoint::finish() {
  const double start = steady_seconds();
  std::optional<CheckpointOutcome> outcome;
  while (busy() && !outcome) {
    if (work_.valid()) work_.wait();
    outcome = advance(false);  // where the others are waited for
  }
  if (!outcome) return outcome;
  // The clock is read again here, a moment after `seconds` was: the part is never more than the whole.
  if (auto* written = std::get_if<Checkpointed>(&*outcome))
    written->held_seconds = std::min(written->held_seconds + steady_seconds() - start, written->seconds);
  return outcome;
}

CheckpointOutcome BackgroundCheckpoint::end(const std::string& error) {
  phase_ = Phase::kIdle;
  if (error.empty())
    return Checkpointed{step_, (root_ / checkpoint_name(step_)).string(), steady_seconds() - began_at_,
                        bytes_, held_seconds_};
  if (context_.leads()) discard_checkpoint(root_, step_);
  return CheckpointFailed{step_, error};
}

}  // namespace saturn
