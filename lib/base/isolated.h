// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>

#include "base/units.h"

namespace saturn {

struct IsolationLimits {
  Seconds time{1};                            ///< after this the work is killed
  const std::atomic<bool>* cancel = nullptr;  ///< so it is when another thread sets this; not owned
};

/// Runs `work` in a forked copy of this process and returns the text that it gave: for libraries that may
/// abort, crash, never end, keep global state or take over signal handlers. Empty: it did not end in time,
/// threw, or died; nothing of it is left in any case, and it has been reaped. What `work` changes is lost
/// with the copy, its standard output and error go nowhere, and no signal handler runs in it. May be called
/// from several threads. Costs about the time of a fork. Errors: SystemError (no pipe).
///
/// `work` may allocate memory, which glibc's fork makes sure of, but must wait for nothing that another
/// thread of this process may hold at the time: those threads do not exist in the copy.
std::optional<std::string> run_isolated(const std::function<std::string()>& work,
                                        const IsolationLimits& limits);

}  // namespace saturn
