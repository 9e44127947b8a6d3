// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "launch/launcher.h"

namespace saturn {

/// How `saturn agent` is started on a node, its standard input and output being this program's pipes (by
/// srun, ssh, or the program itself).
struct AgentCommand {
  std::vector<std::string> argv;
  std::filesystem::path log;  ///< appended: the standard error of all that
};

struct AgentTimes {
  Seconds ping{1};       ///< between signs of life
  Seconds limit{30};     ///< a node that has not been heard of for so long is lost
  Seconds come_up{120};  ///< the same before its agent's first word
  Seconds retry{30};     ///< between tries to start the agent of a lost node again
};

/// Gangs on the cluster's nodes, each node's by an agent there, which also watches the node's GPUs. A node is
/// lost when its agent is not heard of for `limit`, whatever the reason; the agent itself gives up its gangs
/// after half of that, so that none runs on while it is started again elsewhere. The lost node's agent is
/// started again from time to time, and the devices are back when it answers. `watch_devices` starts agents
/// on nodes that are new, and has those leave that are on a node no more, after their gangs. `version`: of
/// this saturn; an agent of another is not used, and said so. Errors of `start`: SystemError (the node is
/// lost or not known). The destructor ends all agents, and waits for them ten seconds at most.
std::unique_ptr<Launcher> make_agents_launcher(const Cluster& cluster,
                                               std::function<AgentCommand(const Node&)> command_for,
                                               AgentTimes times, std::string version);

}  // namespace saturn
