// SPDX-License-Identifier: Apache-2.0
#include "interrupt.h"

#include <cerrno>
#include <signal.h>

namespace saturn {
namespace {

// A signal handler reaches nothing but globals.
Interrupt g_interrupt;
std::atomic<bool> g_requested{false};
std::atomic<Launcher*> g_launcher{nullptr};

void on_signal(int signal) {
  const int before = errno;
  int none = 0;
  g_interrupt.signal.compare_exchange_strong(none, signal);
  ++g_interrupt.count;
  g_requested = true;
  if (Launcher* launcher = g_launcher) launcher->wake();
  errno = before;
}

void handle(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  ::sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction current = {};
    ::sigaction(signal, nullptr, &current);
    if (current.sa_handler != SIG_IGN) ::sigaction(signal, &action, nullptr);  // nohup stays in force
  }
}

}  // namespace

Waking::Waking(Launcher& launcher) {
  g_launcher = &launcher;
}

Waking::~Waking() {
  g_launcher = nullptr;
}

InterruptGuard::InterruptGuard() {
  handle(on_signal);
}

InterruptGuard::~InterruptGuard() {
  handle(SIG_DFL);
}

Waking InterruptGuard::wakes(Launcher& launcher) {
  return Waking(launcher);
}

const Interrupt& InterruptGuard::interrupt() const {
  return g_interrupt;
}

const std::atomic<bool>& InterruptGuard::requested() const {
  return g_requested;
}

int InterruptGuard::exit_code() const {
  return g_interrupt.signal == 0 ? 0 : 128 + g_interrupt.signal;
}

}  // namespace saturn
