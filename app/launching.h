// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "launch/launcher.h"
#include "stages.h"

namespace saturn {

/// The command that looks after GPUs (launch/gpu_watch.h).
std::vector<std::string> gpu_watcher();

/// What starts the session's gangs: processes of this machine (which `watch` may look after), or where the
/// cluster is of a Slurm allocation's nodes, an agent on each of them, started by srun.
std::unique_ptr<Launcher> make_launcher(const Session& session, std::unique_ptr<DeviceWatch> watch = nullptr);

}  // namespace saturn
