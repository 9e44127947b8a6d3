// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace saturn {

/// What `saturn agent` does: starts gangs on this machine as the supervisor at the other end of `input` and
/// `output` orders (launch/agent_message.h). Ends, all its gangs killed and reaped, when `input` does, and
/// when nothing has come in for as long as the last Ping said. Returns the exit code. Errors: SystemError.
int run_agent(int input, int output, const std::string& version);

}  // namespace saturn
