// SPDX-License-Identifier: Apache-2.0
#include "launching.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "commands.h"
#include "find_cluster.h"
#include "launch/agents_launcher.h"
#include "saturn_version.h"

namespace saturn {
namespace {

/// A step of the job that shares all that the job has on the node with the others.
std::vector<std::string> agent_command(const std::string& host) {
  return {"srun",
          "--overlap",
          "--nodes=1",
          "--ntasks=1",
          "--nodelist=" + host,
          "--cpu-bind=none",
          "--mem=0",
          "--job-name=saturn-agent",
          this_program(),
          kAgentCommand};
}

}  // namespace

void require_launchable(const Session& session) {
  const auto& nodes = session.cluster.nodes;
  const bool cpus =
      std::all_of(nodes.begin(), nodes.end(), [](const Node& n) { return is_cpu_kind(n.kind); });
  if (cpus || !on_other_machines(session)) return;
  throw SystemError("start anything on", "GPUs of several nodes",
                    "processes on other machines are started on CPU slots alone as yet",
                    "ask Slurm for one node (--nodes=1); planning works for any number");
}

std::unique_ptr<Launcher> make_launcher(const Session& session, std::unique_ptr<DeviceWatch> watch) {
  if (!on_other_machines(session)) return make_local_launcher(std::move(watch));
  require_launchable(session);
  const auto& nodes = session.cluster.nodes;
  make_directories(session.directory.path / "agents");
  std::vector<AgentNode> agents;
  for (size_t i = 0; i < nodes.size(); ++i) {
    AgentNode agent{
        .name = nodes[i].name, .devices = {}, .command = agent_command(session.places.at(i).host)};
    for (const Device& device : nodes[i].devices) agent.devices.push_back(device.index);
    agent.log = session.directory.path / "agents" / (nodes[i].name + ".log");
    agents.push_back(std::move(agent));
  }
  return make_agents_launcher(std::move(agents), {}, kVersion);
}

}  // namespace saturn
