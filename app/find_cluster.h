// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "stages.h"

namespace saturn {

/// Fills in the session's machine and cluster as its workload asks for it: this machine's devices, or those
/// of the Slurm allocation. What a person should know is said. Errors: InputError, SystemError.
void find_cluster(Session& session);

/// A cluster that need not be there takes the place of that.
void take_cluster(Session& session, Cluster cluster);

}  // namespace saturn
