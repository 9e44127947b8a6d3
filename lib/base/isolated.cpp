// SPDX-License-Identifier: Apache-2.0
#include "base/isolated.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/subprocess.h"

namespace saturn {
namespace {

constexpr int kOutput = 3;  ///< the copy's end of the pipe
constexpr Seconds kLookForCancel{0.01};
/// Fixes how long the text is: one that was cut off by the copy's death is never taken for a whole one.
using Length = std::uint64_t;

/// No signal reaches this thread while it lives, nor a process that it forks ever.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

/// A crash is an ordinary end here: no handler reports it, no core is written.
void die_quietly() {
  for (const int fatal : {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV}) ::signal(fatal, SIG_DFL);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
}

/// The copy keeps nothing of the parent's open: neither the lock of its run nor the pipes of its gangs.
void keep_only(int output) {
  const int null = ::open("/dev/null", O_RDWR);
  for (const int standard : {0, 1, 2}) ::dup2(null, standard);
  if (output != kOutput) ::dup2(output, kOutput);
  ::close_range(kOutput + 1, ~0U, 0);
}

[[noreturn]] void be_the_copy(const std::function<std::string()>& work, int output, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  die_quietly();
  keep_only(output);
  try {
    const std::string text = work();
    const Length length = text.size();
    std::string message(sizeof length, '\0');
    std::memcpy(message.data(), &length, sizeof length);
    (void)write_all(kOutput, message + text);
  } catch (...) {
    // Says nothing: the parent finds no text.
  }
  ::_exit(0);  // no destructor and no exit handler of the parent's runs twice
}

std::optional<std::string> text_of(const std::string& message) {
  Length length = 0;
  if (message.size() < sizeof length) return {};
  std::memcpy(&length, message.data(), sizeof length);
  if (message.size() != sizeof length + length) return {};
  return message.substr(sizeof length);
}

/// The text; empty when the end of the pipe or of the time comes before the end of the text.
std::optional<std::string> read_text(int fd, const IsolationLimits& limits) {
  const SteadyClock clock;
  const Seconds begun = clock.now();
  std::string message;
  std::array<char, 65536> buffer{};
  while (limits.cancel == nullptr || !limits.cancel->load()) {
    const Seconds left = limits.time - (clock.now() - begun);
    if (left <= Seconds(0)) break;
    const Seconds wait = limits.cancel == nullptr ? left : std::min(left, kLookForCancel);
    pollfd polled{fd, POLLIN, 0};
    if (::poll(&polled, 1, static_cast<int>(std::min(wait.count() * 1e3 + 1, 1e6))) <= 0) continue;
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    message.append(buffer.data(), static_cast<size_t>(n));
    // Not at the pipe's end: a copy that another thread makes meanwhile may hold it open a while longer.
    if (auto text = text_of(message)) return text;
  }
  return {};
}

}  // namespace

std::optional<std::string> run_isolated(const std::function<std::string()>& work,
                                        const IsolationLimits& limits) {
  Pipe pipe = make_pipe();
  const pid_t parent = ::getpid();
  pid_t copy = -1;
  {
    const SignalsBlocked blocked;
    copy = ::fork();
    if (copy == 0) be_the_copy(work, pipe.write_end.get(), parent);
  }
  if (copy < 0) return {};  // no room for one more process: as good as one that died
  pipe.write_end.reset();
  std::optional<std::string> text = read_text(pipe.read_end.get(), limits);
  ::kill(copy, SIGKILL);  // it has ended, or must
  reap(copy);
  return text;
}

}  // namespace saturn
