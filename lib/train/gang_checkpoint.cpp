// SPDX-License-Identifier: Apache-2.0
#include "train/gang_checkpoint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <optional>
#include <vector>

#include "train/agreement.h"
#include "train/checkpoint.h"
#include "train/data.h"
#include "train/model.h"

namespace saturn {
namespace {

/// The checkpoints in `root`, newest first, as rank 0 sees them.
std::vector<std::string> shared_list(const RankContext& context, const std::filesystem::path& root) {
  std::vector<std::string> all;
  if (context.leads())
    for (const auto& directory : list_checkpoints(root)) all.push_back(directory.string());
  const auto count = agree_on_max(context.communicator(), static_cast<std::int64_t>(all.size()));
  all.resize(static_cast<std::size_t>(count));
  for (std::string& directory : all) directory = share_text(context.communicator(), directory, 0);
  return all;
}

/// The shapes of the tensors, which `load` compares, tell neither the seed, nor the number of heads, nor the
/// data.
void check_origin(const OpenedCheckpoint& checkpoint, const TaskSpec& task) {
  const auto refuse = [&](const std::string& theirs, const std::string& ours) {
    throw CheckpointError(fmt::format("the checkpoint {} was written with {}; the task has {}",
                                      checkpoint.directory().string(), theirs, ours));
  };
  const CheckpointState& state = checkpoint.state();
  if (state.seed != task.seed) refuse(fmt::format("the seed {}", state.seed), fmt::format("{}", task.seed));
  const std::string model = model_signature(task.model);
  if (state.model != model) refuse(fmt::format("the model '{}'", state.model), fmt::format("'{}'", model));
  const std::string data = data_signature(task);
  if (state.data != data) refuse(fmt::format("the data '{}'", state.data), fmt::format("'{}'", data));
}

/// Opens it where every rank finds it whole, its share of the checksums right, and of this task; else says
/// what is wrong.
std::string open_together(const RankContext& context, const std::string& directory,
                          std::optional<OpenedCheckpoint>& opened) {
  std::string mine;
  try {
    opened.emplace(directory, VerifyShare{context.mesh.rank, context.mesh.world_size});
    check_origin(*opened, context.job.task);
  } catch (const CheckpointError& error) {
    mine = error.what();
  }
  return agree_on_error(context.communicator(), mine);
}

}  // namespace

/// Damaged ones alone, or another task's, are no reason to start over: the first checkpoint from there on
/// would take their place.
std::optional<OpenedCheckpoint> open_latest(const RankContext& context, const std::filesystem::path& root) {
  std::vector<std::string> messages;
  std::optional<OpenedCheckpoint> opened;
  for (const std::string& directory : shared_list(context, root)) {
    const std::string error = open_together(context, directory, opened);
    if (error.empty()) break;
    opened.reset();
    messages.push_back(error);
  }
  if (!opened && !messages.empty()) {
    throw CheckpointError(
        fmt::format("no checkpoint in {} can be used: {}; repair one, or move that folder away to start over",
                    root.string(), fmt::join(messages, "; ")));
  }
  for (const std::string& message : messages)
    context.events.write(CheckpointSkipped{message + "; it is skipped"});
  return opened;
}

}  // namespace saturn
