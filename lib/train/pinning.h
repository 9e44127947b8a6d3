// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

namespace saturn {

/// Pins the calling thread, and all that it will start, to these cores, and gives the math libraries as many
/// threads. Denormal numbers count as zero from now on (they are slow, and no weight needs them). Call it
/// before the first tensor. Empty: not pinned, the libraries' own number of threads. Errors: SystemError.
void pin_to_cores(const std::vector<int>& cores);

}  // namespace saturn
