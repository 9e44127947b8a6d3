// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>
#include <vector>

#include "base/units.h"

namespace saturn {

/// Everything descended from the process, itself not included, as /proc says now.
std::vector<pid_t> descendants_of(pid_t root);

/// Resident memory of the processes together. Of several, pages that they share are counted once.
Bytes resident_bytes(const std::vector<pid_t>& processes);

/// Kills everything descended from this process and reaps what is its own child, until nothing is left.
void kill_descendants();

}  // namespace saturn
