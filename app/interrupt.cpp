// SPDX-License-Identifier: Apache-2.0
#include "interrupt.h"

#include <cerrno>
#include <cmath>
#include <ctime>
#include <signal.h>

#include "base/error.h"

namespace saturn {
namespace {

// A signal handler reaches nothing but globals.
Interrupt g_interrupt;
std::atomic<bool> g_requested{false};
std::atomic<Launcher*> g_launcher{nullptr};
std::atomic<int> g_leave{0};

void on_signal(int signal) {
  const int before = errno;
  if (signal == g_leave && g_interrupt.signal != 0) return;
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
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, g_leave.load()}) {
    struct sigaction current = {};
    if (signal == 0) continue;
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

void InterruptGuard::leave_on(int signal) {
  g_leave = signal;
  handle(on_signal);
}

void InterruptGuard::leave_after(Seconds time) {
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = g_leave;
  timer_t timer = {};
  itimerspec spec = {};
  spec.it_value.tv_sec = static_cast<time_t>(time.count());
  spec.it_value.tv_nsec = 1 + static_cast<long>((time.count() - std::floor(time.count())) * 999'999'998);
  if (::timer_create(CLOCK_BOOTTIME, &event, &timer) != 0 || ::timer_settime(timer, 0, &spec, nullptr) != 0)
    throw SystemError("set", "a timer for the end of the allocation", errno);
}

bool InterruptGuard::leaves() const {
  return g_leave != 0 && g_interrupt.signal == g_leave;
}

}  // namespace saturn
