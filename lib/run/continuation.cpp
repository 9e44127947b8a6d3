// SPDX-License-Identifier: Apache-2.0
#include "run/continuation.h"

#include <fmt/format.h>
#include <optional>

#include "launch/job.h"

namespace saturn {
namespace {

namespace fs = std::filesystem;

/// The task as the checkpoints in its directory were trained; empty without any.
std::optional<TaskSpec> trained_task(const fs::path& directory) {
  std::error_code missing;
  const fs::directory_iterator checkpoints(directory / "checkpoints", missing);
  if (missing || checkpoints == fs::directory_iterator()) return {};
  if (!fs::exists(directory / "job.json")) return {};
  return read_job(directory / "job.json").task;
}

/// The task with what may change taken from what was trained.
TaskSpec with_allowed_changes(TaskSpec task, const TaskSpec& trained) {
  task.steps = trained.steps;
  task.epochs = trained.epochs;
  task.devices = trained.devices;
  task.parallelisms = trained.parallelisms;
  task.micro_batch_size = trained.micro_batch_size;
  task.checkpoint_every_steps = trained.checkpoint_every_steps;
  task.same_speed = trained.same_speed;
  task.validate_every_steps = trained.validate_every_steps;
  task.stop = trained.stop;
  return task;
}

}  // namespace

std::string forbidden_change(const TaskSpec& trained, const TaskSpec& now) {
  const std::vector<std::string> lines =
      differences({"", {trained}}, {"", {with_allowed_changes(now, trained)}});
  return lines.empty() ? "" : lines.front();
}

std::vector<Diagnostic> check_continuation(const RunDirectory& directory, const fs::path& workload_file,
                                           const std::vector<TaskSpec>& tasks) {
  std::vector<Diagnostic> errors;
  for (const TaskSpec& task : tasks) {
    const std::optional<TaskSpec> trained = trained_task(directory.task_directory(task.name));
    if (!trained) continue;
    const std::string change = forbidden_change(*trained, task);
    if (change.empty()) continue;
    errors.push_back({workload_file, task.mark.line, task.mark.column,
                      fmt::format("{} since its checkpoints were written: give it another name to train it "
                                  "anew, or move {} away",
                                  change, directory.task_directory(task.name).string()),
                      ""});
  }
  return errors;
}

}  // namespace saturn
