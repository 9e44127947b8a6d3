// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "launch/launcher.h"

namespace saturn {

/// What `saturn agent` does: starts gangs on this machine as the supervisor at the other end of `input` and
/// `output` orders (launch/agent_message.h). Ends, all its gangs killed and reaped, when `input` does, and
/// when nothing has come in for as long as the last Ping said. `needs`: a file with the paths, a line each,
/// that must be there for gangs to run on this machine; empty: nothing is looked for. `gpus`: what becomes of
/// those that it is ordered to watch; null: nothing does. Returns the exit code. Errors: SystemError.
int run_agent(int input, int output, const std::string& version, const std::filesystem::path& needs,
              std::unique_ptr<DeviceWatch> gpus = nullptr);

}  // namespace saturn
