// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/document.h"
#include "workload/task_reader.h"

namespace saturn {

/// Looks at the disk: replaces globs by the files they match, checks that every file is there and is of its
/// kind, that model and data fit each other and that the training and the held-out part have a row each, and
/// fills in `steps` where `epochs` were given and what a model plug-in is. What is wrong is reported at its
/// place.
void resolve_data(std::vector<TaskDraft>& drafts, Diagnostics& diagnostics);

}  // namespace saturn
