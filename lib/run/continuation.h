// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

#include "run/run_directory.h"

namespace saturn {

/// What forbids to go on in the directory: tasks that have checkpoints there, trained as something else than
/// they are now (as the job file beside them says). A task may become longer, be validated, saved and
/// stopped early at other times, and run in other ways; any other change would go on with another task's
/// weights. `workload_file` is for the places. Errors: InputError (a damaged job file), SystemError.
std::vector<Diagnostic> check_continuation(const RunDirectory& directory,
                                           const std::filesystem::path& workload_file,
                                           const std::vector<TaskSpec>& tasks);

/// What has changed between the two that checkpoints of the one forbid to be gone on with as the other;
/// empty: nothing. Pure.
std::string forbidden_change(const TaskSpec& trained, const TaskSpec& now);

}  // namespace saturn
