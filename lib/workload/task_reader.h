// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/document.h"
#include "workload/task.h"

namespace saturn {

/// A task as the file says it: the tree after defaults and sweep, which knows the place of every value, and
/// what was read of it.
struct TaskDraft {
  Value value;
  TaskSpec task;
};

/// Reads `defaults` and `tasks` and expands the sweeps. Data files become absolute, relative ones against
/// `directory`, and keep their globs. What is wrong is reported; a draft may then be incomplete.
std::vector<TaskDraft> read_tasks(MapReader& workload, std::uint64_t seed,
                                  const std::filesystem::path& directory);

}  // namespace saturn
