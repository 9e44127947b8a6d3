// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/document.h"
#include "workload/task_reader.h"

namespace saturn {

/// Looks at the disk: replaces globs by the files they match, checks that every file is there and that the
/// training and the held-out part have a block each, and fills in `steps` where `epochs` were given. What is
/// wrong is reported at the place of the pattern.
void resolve_data(std::vector<TaskDraft>& drafts, Diagnostics& diagnostics);

}  // namespace saturn
