// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/document.h"

namespace saturn {

/// One field set by a sweep.
struct SweptField {
  std::string path;  ///< dotted: "optimizer.lr"
  Mark mark;         ///< of the path
  Value value;
};

/// What a sweep says of one task.
using Setting = std::vector<SweptField>;

/// No sweep may make more tasks than this.
inline constexpr std::size_t kMostTasks = 10'000;

/// Every setting of `sweep: {grid, zip, random}`. Several of the three multiply; of a grid, the first path
/// changes slowest. `paths` are the fields that may be swept; `seed` is used when `random` gives none. What
/// is wrong is reported, and no settings are returned then.
std::vector<Setting> expand_sweep(const Value& sweep, const std::vector<std::string>& paths,
                                  std::uint64_t seed, Diagnostics& diagnostics);

/// " (did you mean 'optimizer.lr'?)" for 'optimiser.lr', and for 'lr' alone; else the list of what there is.
std::string suggest_path(const std::string& path, const std::vector<std::string>& paths);

}  // namespace saturn
