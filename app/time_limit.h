// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "base/units.h"
#include "cluster/slurm.h"
#include "interrupt.h"
#include "run/state.h"

namespace saturn {

/// What `saturn run` is told about the end of the allocation that it is in.
struct TimeLimitOptions {
  std::string reserve;  ///< "2min", as it stands on the command line; empty: the default
  std::string signal = "USR1";
  bool requeue = false;
};

/// From now on that signal, and the time itself when only the reserve is left of the allocation, ask to
/// leave. The default reserve is two minutes, or a tenth of what is left where that is less. Errors:
/// InputError (a reserve that is no time, or is not less than what is left; a requeue without an allocation).
/// Returns when the allocation ends, by SteadyClock; empty: nothing ends it.
std::optional<Seconds> mind_time_limit(const TimeLimitOptions& options,
                                       const std::optional<SlurmAllocation>& allocation,
                                       InterruptGuard& interrupts);

/// The steps of all tasks that are kept: what a session has done that leaves more of them than it found.
std::int64_t kept_steps(const RunState& state);

/// Has Slurm start the job again, which ends it. Errors: SystemError.
void requeue(const SlurmAllocation& allocation);

}  // namespace saturn
