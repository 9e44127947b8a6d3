// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/units.h"

namespace saturn {

/// How a command ended that was run for its output.
struct CommandResult {
  int exit_code = 0;  ///< or 128 + signal
  std::string output;
  std::string error_output;
  bool timed_out = false;  ///< it was killed, with all of its process group; what it had said is kept
};

/// Runs a command to its end, with nothing on its standard input, at most that long; it has been reaped then.
/// Of each stream the first 64 MiB are kept. Errors: SystemError when it cannot be started (no such program).
CommandResult run_command(const std::vector<std::string>& argv, Seconds time_limit);

}  // namespace saturn
