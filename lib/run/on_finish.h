// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "run/executor.h"

namespace saturn {

/// What a `saturn run` has come to.
struct RunOutcome {
  int exit_code = 0;                ///< that it ends with
  std::filesystem::path directory;  ///< of the run
  std::filesystem::path workload_file;
  int finished = 0;  ///< tasks
  int failed = 0;    ///< given up
  int left = 0;      ///< the others: the same command goes on with them
};

/// What `saturn run` ends with when the run's budget is spent and something is left to do.
inline constexpr int kOutOfBudget = 4;

/// "done", "failed" (some task was given up), "error" (the environment failed), "out_of_budget" (work is
/// left) or "interrupted" (by a signal): the word for an exit code. Pure.
std::string outcome_word(int exit_code);

/// The outcome as environment variables, SATURN_OUTCOME and so on (workloads/README.md lists them). Pure.
std::vector<std::pair<std::string, std::string>> outcome_variables(const RunOutcome& outcome);

/// The command that a workload has run at the end (`run.on_finish`).
struct FinishCommand {
  std::string line;                 ///< for /bin/sh
  std::filesystem::path directory;  ///< that it works in
  Seconds time_limit{60};
};

/// Runs the command with the outcome in its environment, its output on standard error, and waits for it. When
/// its time is over, or at another signal, it is asked to end (TERM), and killed 5 s later; what it leaves in
/// its process group is killed in any case. Returns what went wrong; empty: it has ended with 0.
std::string run_on_finish(const FinishCommand& command, const RunOutcome& outcome,
                          const Interrupt& interrupt);

}  // namespace saturn
