// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/document.h"
#include "cluster/cluster.h"
#include "workload/command.h"
#include "workload/knobs.h"
#include "workload/task.h"

namespace saturn {

/// The part of a gang that one node has.
struct NodeShare {
  std::string node;
  int ranks = 0;  ///< at least one

  bool operator==(const NodeShare&) const = default;
};

/// Everything a gang must know, as the file that `saturn` writes and every rank of `saturn-worker --job FILE`
/// reads.
struct Job {
  enum class Mode { kTrial, kTrain };

  Mode mode = Mode::kTrain;
  TaskSpec task;
  std::string parallelism;
  std::filesystem::path library;       ///< the parallelism's shared object; empty for a command
  std::optional<CommandSpec> command;  ///< a command's: `saturn script` starts it, in place of saturn-worker
  Knobs knobs;                         ///< train: the setting to use
  std::map<std::string, std::vector<std::string>> knob_candidates;  ///< trial: values that may be tried
  std::string device_kind = "cpu";
  std::vector<Device> devices;  ///< one per rank: world size = devices.size()
  /// train: the task's directory. Checkpoints go to checkpoints/, metrics to metrics.jsonl, the weights to
  /// model.safetensors. trial: a scratch directory for the measured checkpoint.
  std::filesystem::path directory;
  double checkpoint_interval_seconds = 300;
  std::int64_t keep_checkpoints = 2;
  std::vector<std::int64_t> validate_at{};  ///< steps after which there is a validation whatever the schedule
  double used_seconds = 0;         ///< train: that the task's gangs before this one took; for its stop rule
  double stop_grace_seconds = 60;  ///< train: that a script has to leave when its stop rule ends it
  ProfileSettings trial;           ///< trial mode
  /// Ranks 0, 1, ... lie on the first node, then on the second, and so on; empty: all on one.
  std::vector<NodeShare> nodes{};

  bool spans_nodes() const { return nodes.size() > 1; }
  int world_size() const { return static_cast<int>(devices.size()); }
};

/// The programs that ranks are made of.
struct RankPrograms {
  std::filesystem::path worker;  ///< saturn-worker: a process for each device
  std::filesystem::path saturn;  ///< with its command `script`: one process, which starts the user's
};

/// The argv of each rank of the job whose file that is. Pure.
std::vector<std::vector<std::string>> rank_commands(const RankPrograms& programs, const Job& job,
                                                    const std::filesystem::path& job_file);

/// The user's command line for a job that has one, going on from `checkpoint` (empty: from the start). Pure.
/// Errors: InputError (a field that the task has not).
CommandLine command_line(const Job& job, const Knobs& knobs, const std::string& checkpoint);

nlohmann::ordered_json to_json(const Job& job);
/// Errors: InputError, SystemError.
Job read_job(const std::filesystem::path& file);

}  // namespace saturn
