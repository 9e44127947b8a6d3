// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "launch/launcher.h"
#include "stages.h"

namespace saturn {

/// What starts the session's gangs: processes of this machine (which `watch` may look after), or where the
/// cluster is a Slurm allocation on other machines, an agent on each of its nodes, started by srun.
std::unique_ptr<Launcher> make_launcher(const Session& session, std::unique_ptr<DeviceWatch> watch = nullptr);

}  // namespace saturn
