// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "profile/profile.h"
#include "report/style.h"

namespace saturn {

/// The profile as a table, a line per candidate; the fastest of several is marked. Tasks that share a
/// signature stand as the first one's name and "+ N like it". Below: why some did not run, with a failure's
/// log; the hardware.
std::string profile_table(const Profile& profile, const Style& style);

}  // namespace saturn
