// SPDX-License-Identifier: Apache-2.0
#include "train/gang_checkpoint.h"

#include <chrono>
#include <cstdio>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "train/agreement.h"
#include "train/checkpoint.h"
#include "train/data.h"
#include "train/model.h"

namespace saturn {
namespace {

/// What the environment refused; empty when it did not. A parallelism that adds a tensor on two ranks
/// (CheckpointError) is none of that: it would never have a checkpoint, and the gang ends at the first one.
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

/// The three phases; every one is over on all ranks before the next begins, or the first error of any rank.
std::string write_phases(const RankContext& context, const ShardWriter& shard,
                         const std::filesystem::path& root, std::int64_t step) {
  const Mesh& mesh = context.mesh;
  const auto on_lead = [&](const std::function<void()>& body) {
    return agree_on_error(context.communicator(), context.leads() ? refusal(body) : "");
  };
  std::string error = on_lead([&] { begin_checkpoint(root, step); });
  if (!error.empty()) return error;
  error = refusal([&] { write_shard(root, step, mesh.rank, mesh.world_size, shard); });
  error = agree_on_error(context.communicator(), error);
  if (!error.empty()) return error;
  const TaskSpec& task = context.job.task;
  return on_lead([&] {
    commit_checkpoint(root, {step, task.name, model_signature(task.model), data_signature(task), task.seed});
    prune_checkpoints(root, context.job.keep_checkpoints, step);
  });
}

/// The directory of the newest whole checkpoint, as rank 0 sees it; empty when there are none at all. Damaged
/// ones alone are no reason to start over: the first checkpoint from there on would take their place.
std::string find_latest(const RankContext& context, const std::filesystem::path& root) {
  std::string directory;
  if (context.leads()) {
    std::vector<std::string> messages;
    const auto opened = open_latest_checkpoint(root, messages);
    if (!opened && !messages.empty()) {
      throw CheckpointError(
          fmt::format("no checkpoint in {} can be read: {}; repair one, or delete that folder to start over",
                      root.string(), fmt::join(messages, "; ")));
    }
    for (const std::string& message : messages) fmt::print(stderr, "{}; it is skipped\n", message);
    if (opened) directory = opened->directory().string();
  }
  return share_text(context.communicator(), directory, 0);
}

/// The shapes of the tensors, which `load` compares, tell neither the seed, nor the number of heads, nor the
/// data.
void check_origin(const OpenedCheckpoint& checkpoint, const TaskSpec& task) {
  const auto refuse = [&](const std::string& theirs, const std::string& ours) {
    throw CheckpointError(fmt::format("{} was written with {}; the task has {}. Move it away to start anew",
                                      checkpoint.directory().string(), theirs, ours));
  };
  const CheckpointState& state = checkpoint.state();
  if (state.seed != task.seed) refuse(fmt::format("the seed {}", state.seed), fmt::format("{}", task.seed));
  const std::string model = model_signature(task.model);
  if (state.model != model) refuse(fmt::format("the model '{}'", state.model), fmt::format("'{}'", model));
  const std::string data = data_signature(task);
  if (state.data != data) refuse(fmt::format("the data '{}'", state.data), fmt::format("'{}'", data));
}

}  // namespace

std::variant<Checkpointed, CheckpointFailed> write_checkpoint(const RankContext& context, Trainer& trainer,
                                                              const std::filesystem::path& root,
                                                              std::int64_t step) {
  const auto start = std::chrono::steady_clock::now();
  ShardWriter shard;
  trainer.save(shard);
  const Bytes bytes = agree_on_sum(context.communicator(), shard.bytes());
  const std::string error = write_phases(context, shard, root, step);
  if (!error.empty()) {
    if (context.leads()) discard_checkpoint(root, step);
    return CheckpointFailed{step, error};
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return Checkpointed{step, (root / checkpoint_name(step)).string(), seconds, bytes};
}

std::int64_t load_latest(const RankContext& context, Trainer& trainer, const std::filesystem::path& root) {
  const std::string directory = find_latest(context, root);
  if (directory.empty()) return 0;
  const OpenedCheckpoint checkpoint{directory};
  check_origin(checkpoint, context.job.task);
  trainer.load(checkpoint);
  return checkpoint.state().step;
}

}  // namespace saturn
