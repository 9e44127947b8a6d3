// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/command.h"
#include "cluster/slurm_allocation.h"

namespace saturn {

/// What a process can learn of its surroundings.
struct SlurmAccess {
  std::function<std::optional<std::string>(const char* name)> variable;  ///< of the environment
  std::function<CommandResult(const std::vector<std::string>& argv)> run;
};
/// This process's environment and Slurm's commands, each at most half a minute.
SlurmAccess slurm_access();

/// The allocation that this process is in, as Slurm knows it now: what sbatch, salloc and srun leave in the
/// environment names only the job, since nodes may have left it after that.
struct SlurmAllocation {
  SlurmJob job;
  std::string this_node;  ///< the node of the job that this process is on; empty: on none (salloc's shell)
  std::vector<std::string> gone;  ///< nodes that it had when it began
};

/// Empty: this process is in none. Errors: InputError (the job of the environment does not run any more; a
/// heterogeneous job), SystemError (scontrol is missing, fails or says what cannot be read).
std::optional<SlurmAllocation> slurm_allocation(const SlurmAccess& access);

/// "Slurm job 12: 3 nodes with 8 h100 and 2 a100, 1:59:30 left, started again once", for people.
std::string to_text(const SlurmAllocation& allocation);

}  // namespace saturn
