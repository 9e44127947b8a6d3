// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "base/document.h"
#include "workload/sweep.h"

namespace saturn {

/// The settings of `random: {count, seed, over}`: all different, and the same on every machine. A field's
/// draws do not depend on the other fields. What is wrong is reported; then at most one setting is returned.
std::vector<Setting> draw_settings(const Value& random, const std::vector<std::string>& paths,
                                   std::uint64_t seed, Diagnostics& diagnostics);

}  // namespace saturn
