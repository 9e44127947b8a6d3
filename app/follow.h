// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interrupt.h"
#include "run/run_directory.h"

namespace saturn {

/// Shows a run that another process works on until it ends: on a terminal a live view, elsewhere a line per
/// interval, at the end its report; with `json` a line of JSON, the summary, for every change. A run that is
/// not worked on is shown once. Returns the exit code: 0, or 128 + the signal that ended the watching.
/// Errors: InputError, SystemError.
int follow_run(const RunDirectory& directory, bool json, const InterruptGuard& interrupts);

}  // namespace saturn
