// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cluster/cluster.h"
#include "launch/job.h"
#include "launch/launcher.h"
#include "plan/plan.h"
#include "run/budget.h"
#include "run/run_directory.h"
#include "run/state.h"
#include "workload/manifest.h"
#include "workload/workload.h"

namespace saturn {

/// Everything a run needs besides its plan.
struct RunSetup {
  std::vector<TaskSpec> tasks;
  Cluster cluster;
  std::vector<Manifest> manifests;
  RunSettings settings;
  RunDirectory directory;
  std::filesystem::path worker;              ///< the saturn-worker program
  std::filesystem::path saturn{};            ///< the saturn program, which starts commands
  Objective objective{};                     ///< of plans; a deadline counts from the start of the run
  Budget budget{};                           ///< `seconds` of this session, device time of the whole run
  std::map<std::string, GangCosts> costs{};  ///< by task; what is not there is not known
  bool fail_fast = false;                    ///< the first task that is given up ends the run

  const TaskSpec* task(const std::string& name) const;      ///< null: there is none of that name
  const Manifest* manifest(const std::string& name) const;  ///< likewise
  const Node* node(const std::string& name) const;          ///< likewise
};

/// The number of devices of each node, by its name. Pure.
std::map<std::string, int> device_counts(const Cluster& cluster);

/// The job file's content for an assignment of an existing task, node and parallelism; its `used_seconds` are
/// the caller's to fill in. Pure.
Job make_job(const RunSetup& setup, const Assignment& assignment);

/// The command lines for it. Pure.
GangSpec make_gang(const RunSetup& setup, const Assignment& assignment);
/// The same for a gang of saturn-workers that comes up while its devices are still in use: its ranks read
/// `job_file` first, and the job's own file when they are admitted. Pure.
GangSpec ahead_of_time(GangSpec gang, const std::filesystem::path& job_file);

/// Whether the gang is run as the line says, and there. Pure.
bool same_place(const GangStarted& gang, const Assignment& line);

/// Whether the line can be carried out at all: none of its devices is lost, and its task has not run out of
/// memory that way on devices of that kind. Pure.
bool is_possible(const RunSetup& setup, const Assignment& line, const RunState& state);

/// The unstarted assignments whose turn it is: devices are handed out in the plan's order of start, and an
/// assignment never overtakes an earlier one that waits for one of its devices, or whose gang is still
/// leaving another place. Lines that are not possible are passed over. Pure; pointers into `plan`.
/// `as_if_gone`: tasks whose gangs count as gone; those whose line they carry out then end with them.
std::vector<const Assignment*> due(const RunSetup& setup, const Plan& plan, const RunState& state,
                                   const std::set<std::string>& as_if_gone = {});

/// The line on other devices, of the same kind and as many, none of them among those of `failed`: free now,
/// and wanted by nothing that is due; of its own node first. Empty: there are none, or it is across nodes.
/// Pure.
std::optional<Assignment> elsewhere(const RunSetup& setup, const Plan& plan, const RunState& state,
                                    const Assignment& line, const GangStarted& failed);

/// The tasks that a new session runs again: those given up or dropped, those that have become longer than
/// they were when they finished, and those that ended early by another stop rule than they have now. Pure.
std::vector<std::string> tasks_to_reopen(const std::vector<TaskSpec>& tasks, const RunState& state);

/// What a new session of the run finds, whatever ended the last one: no gang runs, and the tasks to reopen
/// wait. Pure.
RunState next_session(RunState state, const std::vector<TaskSpec>& tasks);

/// What is wrong with the knobs that the plan's lines say: values outside of the candidates, knobs that the
/// parallelism does not have; each with its place. Pure.
std::vector<Diagnostic> check_knobs(const std::vector<Manifest>& manifests, const Plan& plan);

/// What keeps the plan from being run as it is: unfinished tasks without an assignment, unknown tasks, nodes,
/// devices, parallelisms, knobs; each with its place in the plan file. Empty: it can be run.
std::vector<Diagnostic> check_executable(const RunSetup& setup, const Plan& plan, const RunState& state);

}  // namespace saturn
