// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "simulate.h"
#include "stages.h"
#include "time_limit.h"

namespace saturn {

/// Exit codes beside 0 (done) and 1 (some task failed).
inline constexpr int kBadInput = 2;
inline constexpr int kEnvironment = 3;

/// The subcommand that starts gangs on a node for a saturn on another, which starts it there.
inline constexpr const char* kAgentCommand = "agent";

/// The subcommand that watches the GPUs of a run, for saturn itself.
inline constexpr const char* kWatchGpusCommand = "watch-gpus";

// One function per subcommand. Each returns the exit code; errors: InputError, SystemError, Interrupted.

struct ClusterCommand {
  std::string workload;  ///< empty: what there is, whatever anybody asks for
};
int run_cluster(const ClusterCommand& command, const CommonOptions& options);

struct ProfileCommand {
  std::string workload;
  std::string output;  ///< empty: profile.json in the run directory
};
int run_profile(const ProfileCommand& command, const CommonOptions& options, InterruptGuard& interrupts);

struct PlanCommand {
  std::string workload;              ///< needed for everything but `compare`
  std::string output;                ///< empty: plan.json in the run directory
  std::string check;                 ///< a plan file to check instead of planning
  std::string complete;              ///< a plan file whose lines are kept; the other tasks are planned
  std::vector<std::string> compare;  ///< two plan files to compare instead of planning
  std::string method;                ///< empty: plan.method of the workload
  std::string objective;             ///< empty: plan.objective of the workload
  std::int64_t work = 0;             ///< 0: plan.work of the workload
  bool force = false;
  std::vector<std::string> clusters;  ///< in short (cluster_shape.h); plan for these, which need not be there
  std::vector<std::string> profiles;  ///< for those; empty: the run directory's
  bool baselines = false;             ///< show them beside the plan
  bool explain = false;               ///< say why the plan is as it is
  std::string explained_task;         ///< of this task alone; "" = the whole plan

  /// Whether it asks for a plan to be made, though one may be up to date.
  bool makes() const { return force || !method.empty() || !objective.empty() || work > 0; }
};
int run_plan(const PlanCommand& command, const CommonOptions& options, InterruptGuard& interrupts);

struct RunCommand {
  std::string target;  ///< a workload, or a plan (.json)
  bool dry_run = false;
  bool fail_fast = false;  ///< end with the first task that is given up
  SimulateOptions simulate;
  TimeLimitOptions time_limit;
};
int run_run(const RunCommand& command, const CommonOptions& options, InterruptGuard& interrupts);

struct ReplanCommand {
  std::string directory;
  std::string workload;                ///< empty: the one that the run was started with
  std::vector<std::string> drop;       ///< tasks that the run leaves out from now on
  std::vector<std::string> add;        ///< workload files whose tasks it takes in
  std::optional<std::string> cluster;  ///< as in a workload, or "workload": as that says
  bool dry_run = false;
};
int run_replan(const ReplanCommand& command, const CommonOptions& options, InterruptGuard& interrupts);

struct ShowCommand {
  std::string target;   ///< profile.json, plan.json or a run directory
  bool follow = false;  ///< until the run ends
};
int run_show(const ShowCommand& command, const CommonOptions& options, const InterruptGuard& interrupts);

struct ConformanceCommand {
  std::vector<std::string> names;  ///< empty: every native parallelism that is found
};
/// Becomes the worker's conformance suite: does not return but with an error.
int run_conformance(const ConformanceCommand& command, const CommonOptions& options);

}  // namespace saturn
