// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cluster/slurm.h"
#include "interrupt.h"
#include "plan/plan.h"
#include "profile/profiler.h"
#include "profile/trials.h"
#include "run/gang.h"
#include "run/state.h"

namespace saturn {

/// What every command that works on a workload can be told.
struct CommonOptions {
  std::vector<std::string>
      parallelism_path;  ///< searched first; then SATURN_PARALLELISM_PATH, then the built-in ones
  bool json = false;
  bool no_cache = false;
};

/// A workload and what it meets on this machine: what every stage starts from.
struct Session {
  Workload workload;
  std::vector<Manifest> manifests;
  Machine machine;
  Cluster cluster;
  std::optional<SlurmAllocation> allocation;  ///< that the cluster is of
  std::filesystem::path worker;               ///< need not be there while only commands run
  RunDirectory directory;
  std::optional<ClusterSpec> given_cluster;  ///< of `saturn replan --cluster`: goes before the workload's
  bool fail_fast = false;                    ///< of a run
  Budget budget{};                           ///< of the run; none until `set_budget`

  /// What to run, with the steps of scripts that only the profile tells.
  RunSetup setup(const Profile& profile) const;
};

/// Where saturn.py is, for scripts in Python; empty when it is not installed.
std::filesystem::path python_helper_directory();
/// Where parallelisms are looked for, in order: told, environment, `beside` (the workload's folder; "" =
/// none), beside the build's programs, beside the installed ones.
std::vector<std::filesystem::path> search_path(const CommonOptions& options,
                                               const std::filesystem::path& beside);
std::filesystem::path this_program();
/// saturn-worker, beside this program.
std::filesystem::path worker_program();

/// A stage was interrupted by a signal; what was done so far is kept.
struct Interrupted {};

/// Reads the workload, finds the parallelisms, the worker and the cluster, unless one is given. Errors:
/// InputError, SystemError.
Session open_session(const std::filesystem::path& workload_file, const CommonOptions& options,
                     const std::optional<Cluster>& given = {});

/// The same without the cluster. `directory`: of the run; without a path it is the workload's.
Session open_without_cluster(const std::filesystem::path& workload_file, const CommonOptions& options,
                             const RunDirectory& directory = {});
/// Finds what the spec asks for; the session is of that then. Errors: InputError, SystemError.
void use_cluster(Session& session, const ClusterSpec& spec);

/// The run's budget as it is for a session that begins now, after those of `state`. Errors: InputError (a
/// deadline that has passed, of a run that has not begun).
void set_budget(Session& session, const RunState& state);
/// Likewise for a session that goes on.
void set_budget_under_way(Session& session, const RunState& state);

struct ProfileRequest {
  std::filesystem::path file;
  bool retry_failed = false;  ///< a trial that failed is an answer, unless one asks again
};
/// The profile in the file while it is fresh; else measures what the cache does not know and writes it.
/// Errors: InputError, SystemError; throws Interrupted after a signal, with what was measured kept.
Profile make_profile(const Session& session, const CommonOptions& options, const ProfileRequest& request,
                     InterruptGuard& interrupts);

/// The profile without measuring anything: what the cache knows. Errors: SystemError.
KnownTrials known_trials_of(const Session& session, const CommonOptions& options, InterruptGuard& interrupts);
/// That these trials are missing, and cannot be measured now.
InputError not_measured(const std::vector<std::string>& missing);
/// What measuring needs to know of the session besides the trials themselves.
ProfileOptions profile_options(const Session& session, const TrialPlan& trials, const CommonOptions& options,
                               InterruptGuard& interrupts);

/// What is known without measuring anything.
struct KnownFigures {
  TrialPlan all;
  Profile profile;    ///< what the run was planned with, and what the cache knows besides
  TrialPlan missing;  ///< the trials of `all` that are in neither
};
/// Of these tasks, in place of the session's. Errors: InputError (a task that nothing can train),
/// SystemError.
KnownFigures known_figures(const Session& session, const std::vector<TaskSpec>& tasks,
                           const CommonOptions& options, InterruptGuard& interrupts);
/// The profile with these rows more; those of trials that it has already are left out.
void add_rows(Profile& profile, const std::vector<Trial>& rows);

/// Checkpoints of tasks that are something else now are never gone on with. Errors: InputError with each of
/// them.
void require_continuable(const Session& session);

/// Errors: InputError naming the directory as it was given.
void require_run_directory(const std::filesystem::path& directory);

}  // namespace saturn
