// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace saturn {

/// This machine's name, as it calls itself; "unknown" where it has none.
std::string host_name();

}  // namespace saturn
