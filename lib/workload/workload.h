// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "workload/budget_settings.h"
#include "workload/objective.h"
#include "workload/task.h"

namespace saturn {

/// `cluster: auto`, or explicit nodes. `memory_bytes` 0 = share of the machine's memory, or the GPU's own.
struct NodeSpec {
  std::string name;
  std::int64_t devices = 0;
  std::string kind = "cpu";           ///< "cpu", "cpu-NAME", "gpu" (any) or a type of GPU such as "h100"
  Bytes memory_bytes = 0;             ///< budget of each device
  std::int64_t cores_per_device = 0;  ///< 0 = the machine's cores split evenly

  bool operator==(const NodeSpec&) const = default;
};
/// Whose devices those of a cluster are. Any: the Slurm allocation's inside of one, else this machine's.
enum class DevicesOf { kAny, kMachine, kSlurm };

struct ClusterSpec {
  bool automatic = true;
  std::int64_t gpus = -1;  ///< auto: how many GPUs; 0 = CPU slots; -1 = all GPUs, CPU slots if there are none
  std::int64_t slots = 0;  ///< auto: number of CPU slots; 0 = one per core
  Bytes slot_memory_bytes = 0;  ///< auto: budget of each slot; 0 = the machine's memory split evenly
  std::vector<NodeSpec> nodes;
  DevicesOf devices_of = DevicesOf::kAny;

  bool operator==(const ClusterSpec&) const = default;
};

struct ProfileSettings {
  double trial_seconds = 2;  ///< measured time aimed at, after the warm-up steps
  std::int64_t warmup_steps = 3;
  std::int64_t min_steps = 5;
  std::int64_t max_steps = 100;
  double trial_timeout_seconds = 120;  ///< of one trial, all its candidates together
  double unstable_spread = 0.15;  ///< relative spread over which a trial is measured longer, then flagged

  bool operator==(const ProfileSettings&) const = default;
};
struct PlanSettings {
  double time_limit_seconds = 10;
  double gap = 0;               ///< stop when the relative gap is at most this
  std::string method = "auto";  ///< or "paper": the paper's MILP, for comparison
  std::uint64_t seed = 0;
  Objective objective{};
  std::int64_t work =
      0;  ///< steps after which the search ends, whatever time they take; 0 = time_limit ends it

  bool operator==(const PlanSettings&) const = default;
};
/// Successive halving over the sweep.
struct HalvingSettings {
  std::vector<std::int64_t> rungs;  ///< steps at which tasks are compared, ascending; empty: none is stopped
  std::int64_t reduction_factor = 3;  ///< of those at a rung one in so many goes on
  Mark mark{};                        ///< of the rungs, for messages

  bool operator==(const HalvingSettings& other) const {
    return rungs == other.rungs && reduction_factor == other.reduction_factor;
  }
};

struct RunSettings {
  std::string directory;  ///< absolute; default: runs/NAME in the working directory
  double checkpoint_interval_seconds = 300;
  double stop_grace_seconds = 60;      ///< from TERM to KILL
  double start_timeout_seconds = 120;  ///< until every rank is ready
  double hang_timeout_seconds = 300;   ///< without an event from a running gang
  std::int64_t keep_checkpoints = 2;
  std::int64_t retries = 1;  ///< new starts of a gang that died (not of one out of memory or with NaN)
  double introspection_interval_seconds = 60;  ///< 0 = off
  double introspection_threshold = 0.05;  ///< a new plan must cut the remaining makespan by this fraction
  double introspection_tolerance = 0.1;   ///< of its planned time: a task that is off by more is looked at

  HalvingSettings halving;
  BudgetSettings budget;

  std::string on_finish{};  ///< for the shell, at the end of `saturn run`; empty: nothing
  double on_finish_timeout_seconds = 60;

  bool operator==(const RunSettings&) const = default;
};

/// What a workload file says, checked, with sweeps expanded and defaults filled in.
struct Workload {
  std::filesystem::path file;
  std::string name;
  std::uint64_t seed = 0;
  ClusterSpec cluster;
  std::vector<TaskSpec> tasks;            ///< names are unique
  std::vector<std::string> parallelisms;  ///< allowed by default; empty = all that are found
  ProfileSettings profile;
  PlanSettings plan;
  RunSettings run;
};

/// Reads, expands and checks a workload file, and resolves its data files (sizes; epochs -> steps). Errors:
/// InputError with every diagnostic of the file; SystemError when it cannot be read.
Workload read_workload(const std::filesystem::path& file);

/// Pure: the same from a text already read, without the data's files: `files` are absolute and keep their
/// globs, `steps` stays 0 where `epochs` were given. `file` is for messages and relative paths.
Workload parse_workload(const std::filesystem::path& file, const std::string& text);

/// Hash of what the tasks, `parallelisms`, the cluster section and run.halving say (not of profile, plan and
/// the rest of run): a plan made for another hash is stale.
std::string workload_hash(const Workload& workload);

/// The keys that each map of a workload file may have, by the map's name in messages ("" is the file itself,
/// then "task", "optimizer.schedule", "cluster.nodes", ...): what the schema and the reference must say.
std::map<std::string, std::vector<std::string>> workload_keys();

}  // namespace saturn
