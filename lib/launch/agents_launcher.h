// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "launch/launcher.h"

namespace saturn {

/// A node of the cluster and the command that starts `saturn agent` there, its standard input and output
/// being this program's pipes (srun, ssh, or the program itself).
struct AgentNode {
  std::string name;
  std::vector<int> devices;  ///< indices within the node: what is lost with it
  std::vector<std::string> command;
  std::filesystem::path log;  ///< appended: the standard error of all that
};

struct AgentTimes {
  Seconds ping{1};       ///< between signs of life
  Seconds limit{30};     ///< a node that has not been heard of for so long is lost
  Seconds come_up{120};  ///< the same before its agent's first word
  Seconds retry{30};     ///< between tries to start the agent of a lost node again
};

/// Gangs on several nodes, each node's by an agent there. A node is lost when its agent is not heard of for
/// `limit`, whatever the reason; the agent itself gives up its gangs after half of that, so that none runs on
/// while it is started again elsewhere. The lost node's agent is started again from time to time, and the
/// devices are back when it answers. `version`: of this saturn; an agent of another is not used, and said so.
/// Errors of `start`: SystemError (the node is lost or not known). The destructor ends all agents, and waits
/// for them ten seconds at most.
std::unique_ptr<Launcher> make_agents_launcher(std::vector<AgentNode> nodes, AgentTimes times,
                                               std::string version);

}  // namespace saturn
