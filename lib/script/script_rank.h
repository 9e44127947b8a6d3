// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace saturn {

struct ScriptRankOptions {
  std::filesystem::path job;            ///< the job file that saturn wrote
  std::filesystem::path python_helper;  ///< directory of saturn.py; empty: there is none
};

/// Rank 0, and the only one, of a gang that runs a command: starts it, turns what it says into events on
/// standard output, stops it when asked to, measures it in a trial. Waits for "go" on standard input first.
/// Returns the exit code; errors go into an event.
int run_script_rank(const ScriptRankOptions& options);

}  // namespace saturn
