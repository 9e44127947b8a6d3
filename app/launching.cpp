// SPDX-License-Identifier: Apache-2.0
#include "launching.h"

#include <fmt/format.h>
#include <set>
#include <utility>

#include "base/file.h"
#include "commands.h"
#include "find_cluster.h"
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
std::vector<std::string> agent_command(const SlurmPlace& place, const std::filesystem::path& needs) {
  std::vector<std::string> command{"env"};
  for (const char* name : kOfTheBatchScript) command.insert(command.end(), {"-u", name});
  command.insert(command.end(), {"srun", "--overlap", "--nodes=1", "--ntasks=1", "--nodelist=" + place.host,
                                 "--cpu-bind=none", "--mem=0", "--job-name=saturn-agent"});
  // Of no type: a step that names types is refused where a node has several.
  command.push_back(place.gpus > 0 ? fmt::format("--gpus={}", place.gpus) : "--gres=none");
  command.insert(command.end(), {this_program(), kAgentCommand, "--needs", needs.string()});
  return command;
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

std::unique_ptr<Launcher> make_launcher(const Session& session, std::unique_ptr<DeviceWatch> watch) {
  if (!on_other_machines(session)) return make_local_launcher(std::move(watch));
  const auto& nodes = session.cluster.nodes;
  make_directories(session.directory.path / "agents");
  const std::filesystem::path needs = session.directory.path / "agents" / "needs";
  write_file_atomically(needs, paths_needed(session));
  std::vector<AgentNode> agents;
  for (size_t i = 0; i < nodes.size(); ++i) {
    AgentNode agent{
        .name = nodes[i].name, .devices = {}, .command = agent_command(session.places.at(i), needs)};
    for (const Device& device : nodes[i].devices) agent.devices.push_back(device.index);
    agent.log = session.directory.path / "agents" / (nodes[i].name + ".log");
    agents.push_back(std::move(agent));
  }
  return make_agents_launcher(std::move(agents), {}, kVersion);
}

}  // namespace saturn
