// SPDX-License-Identifier: Apache-2.0
#include "launching.h"

#include <fmt/format.h>
#include <set>
#include <utility>

#include "base/file.h"
#include "cluster/slurm_cluster.h"
#include "commands.h"
#include "launch/agents_launcher.h"
#include "saturn_version.h"

namespace saturn {
namespace {

/// What a batch script was asked for is in srun's environment, and would count for the step: it is against
/// what the step asks for, or less than the job has.
constexpr const char* kOfTheBatchScript[] = {
    "SLURM_NTASKS",         "SLURM_NPROCS",        "SLURM_NTASKS_PER_NODE", "SLURM_TASKS_PER_NODE",
    "SLURM_NTASKS_PER_GPU", "SLURM_CPUS_PER_TASK", "SRUN_CPUS_PER_TASK",    "SLURM_CPUS_PER_GPU",
    "SLURM_GPUS",           "SLURM_GPUS_PER_NODE", "SLURM_GPUS_PER_SOCKET", "SLURM_GPUS_PER_TASK",
    "SLURM_GPU_BIND",       "SLURM_MEM_PER_CPU",   "SLURM_MEM_PER_GPU",     "SLURM_MEM_PER_NODE"};

/// A step of the job that shares all that the job has on the node with the others.
std::vector<std::string> agent_command(const SlurmNode& node, const std::filesystem::path& needs) {
  std::vector<std::string> command{"env"};
  for (const char* name : kOfTheBatchScript) command.insert(command.end(), {"-u", name});
  command.insert(command.end(), {"srun", "--overlap", "--nodes=1", "--ntasks=1", "--nodelist=" + node.name,
                                 "--cpu-bind=none", "--mem=0", "--job-name=saturn-agent"});
  // Of no type: a step that names types is refused where a node has several.
  command.push_back(node.gpus.empty() ? "--gres=none" : fmt::format("--gpus={}", node.gpus.size()));
  command.insert(command.end(), {this_program(), kAgentCommand, "--needs", needs.string()});
  return command;
}

/// One that the job did not have when the session began has none of its GPUs.
SlurmNode node_of(const SlurmJob& job, const std::string& host) {
  for (const SlurmNode& node : job.nodes)
    if (node.name == host) return node;
  return {.name = host};
}

/// What gangs of the session read, a line each.
std::string paths_needed(const Session& session) {
  std::set<std::string> paths{session.directory.path.string()};
  for (const TaskSpec& task : session.workload.tasks) {
    paths.insert(task.data.files.begin(), task.data.files.end());
    paths.insert(task.data.validation_files.begin(), task.data.validation_files.end());
    if (!task.model.start_from.empty()) paths.insert(task.model.start_from);
    if (!task.script) paths.insert(session.worker.string());
  }
  std::string lines;
  for (const std::string& path : paths) lines += path + "\n";
  return lines;
}

}  // namespace

std::vector<std::string> gpu_watcher() {
  return {this_program().string(), kWatchGpusCommand};
}

std::unique_ptr<Launcher> make_launcher(const Session& session, std::unique_ptr<DeviceWatch> watch) {
  if (!is_of_slurm_nodes(session.cluster)) return make_local_launcher(std::move(watch));
  const std::filesystem::path agents = session.directory.path / "agents";
  make_directories(agents);
  write_file_atomically(agents / "needs", paths_needed(session));
  const auto command_for = [agents, job = session.allocation->job](const Node& node) {
    return AgentCommand{agent_command(node_of(job, node.host), agents / "needs"),
                        agents / (node.name + ".log")};
  };
  return make_agents_launcher(session.cluster, command_for, {}, kVersion);
}

}  // namespace saturn
