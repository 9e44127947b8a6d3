// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace saturn {

/// In the environment of what a launcher starts: its process number.
inline constexpr const char* kSupervisorVariable = "SATURN_SUPERVISOR";

/// Has the kernel kill this process when the one that started it ends, and leaves at once when that is
/// another than the environment says: it was gone before.
void die_with_supervisor();

}  // namespace saturn
