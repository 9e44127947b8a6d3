// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/units.h"

namespace saturn {

/// Makes all tensors of the CPU count, from now on, against a budget for this process; 0 = unlimited, counted
/// all the same. An allocation that would pass it throws c10::OutOfMemoryError ("out of memory: allocating X
/// with Y in use passes the slot's budget of Z"): at the same place in every run, since only what the program
/// asks for counts. The budget covers tensors; code, the data's mapped files and the scratch memory of the
/// math libraries are outside it.
void set_memory_budget(Bytes budget);

Bytes memory_in_use();
/// The most that was in use since the last reset.
Bytes peak_memory();
void reset_peak_memory();

}  // namespace saturn
