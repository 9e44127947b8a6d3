// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/document.h"
#include "base/file.h"
#include "cluster/cluster.h"
#include "workload/task.h"

namespace saturn {

/// Where a run keeps its things:
///   run.json              what is run: the workload file, the tasks as they were resolved
///   profile.json, plan.json  what the plan was made from; the plan in force
///   plan.previous.json       the one that it replaced
///   journal.jsonl         what happened
///   tasks/NAME/           job.json (next-job.json: of a gang that waits for its devices), log,
///   metrics.jsonl, checkpoints/, model.safetensors request.json, answer.json  what `saturn replan` asks of a
///   run that goes on, and what that says lock                  held by the `saturn run` that is working on
///   it
struct RunDirectory {
  std::filesystem::path path;

  std::filesystem::path run_file() const { return path / "run.json"; }
  std::filesystem::path profile_file() const { return path / "profile.json"; }
  std::filesystem::path plan_file() const { return path / "plan.json"; }
  std::filesystem::path previous_plan_file() const { return path / "plan.previous.json"; }
  std::filesystem::path journal_file() const { return path / "journal.jsonl"; }
  std::filesystem::path request_file() const { return path / "request.json"; }
  std::filesystem::path answer_file() const { return path / "answer.json"; }
  std::filesystem::path lock_file() const { return path / "lock"; }
  std::filesystem::path task_directory(const std::string& task) const { return path / "tasks" / task; }
  std::filesystem::path log_file(const std::string& task) const { return task_directory(task) / "log"; }
};

/// Keeps every other process from working on the run directory, for as long as it lives (also through kill
/// -9: the kernel releases it).
class RunLock {
 public:
  /// Errors: InputError naming the process that holds it; SystemError.
  explicit RunLock(const RunDirectory& directory);

 private:
  FileDescriptor fd_;
};

/// Whether some process is working on the run directory now. Errors: SystemError.
bool in_use(const RunDirectory& directory);

/// What run.json says: what this directory is a run of.
struct RunIdentity {
  std::string workload_file;  ///< absolute
  std::vector<TaskSpec> tasks;
  std::vector<std::string> dropped{};  ///< tasks of the workload that the run leaves out (`replan --drop`)
  std::vector<std::string> added{};    ///< those of `tasks` that the workload does not have (`replan --add`)
  std::optional<ClusterSpec> cluster{};  ///< instead of the workload's (`replan --cluster`)
};
nlohmann::ordered_json to_json(const RunIdentity& identity);
std::string to_text(const RunIdentity& identity);
/// Errors: InputError, SystemError.
RunIdentity read_run_identity(const RunDirectory& directory);
/// A map of that content, other keys than its own reported. Errors are added to the reader's diagnostics.
RunIdentity run_identity_from(MapReader& reader);

/// The tasks of the run whose workload says `tasks` now: less those dropped, with those added. Pure.
std::vector<TaskSpec> amended(std::vector<TaskSpec> tasks, const RunIdentity& run);

/// What makes `now` another run than `before`, a line each: tasks that are gone, new, or changed (which
/// fields). Empty: the same.
std::vector<std::string> differences(const RunIdentity& before, const RunIdentity& now);

}  // namespace saturn
