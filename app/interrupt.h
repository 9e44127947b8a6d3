// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include "launch/launcher.h"
#include "run/executor.h"

namespace saturn {

/// While it lives a signal wakes a launcher; also when an exception ends it.
class Waking {
 public:
  explicit Waking(Launcher& launcher);
  Waking(const Waking&) = delete;
  Waking& operator=(const Waking&) = delete;
  ~Waking();
};

/// Turns SIGINT, SIGTERM and SIGHUP into flags, from its construction to its end (one at a time). The first
/// makes `requested` true and wakes the launcher; the command saves what there is and leaves with 128 +
/// signal.
class InterruptGuard {
 public:
  InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  ~InterruptGuard();

  /// Has a signal wake the launcher, until the returned value ends (it must before the launcher does).
  [[nodiscard]] Waking wakes(Launcher& launcher);
  const Interrupt& interrupt() const;
  const std::atomic<bool>& requested() const;
  /// 128 + the signal that came, 0 when none did.
  int exit_code() const;

  /// From now on that signal (also SIGUSR1 or SIGUSR2), too, makes `requested` true. It asks to leave in good
  /// time: after another signal, and once more, it changes nothing.
  void leave_on(int signal);
  /// As if that signal came so long from now. Errors: SystemError.
  void leave_after(Seconds time);
  /// That signal, or that time, came before any other.
  bool leaves() const;
};

}  // namespace saturn
