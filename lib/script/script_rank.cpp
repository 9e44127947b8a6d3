// SPDX-License-Identifier: Apache-2.0
#include "script/script_rank.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/supervisor.h"
#include "script/rank_setup.h"

namespace saturn {
namespace {

/// Events go where standard output went; whatever else is printed goes to the log.
int claim_standard_output() {
  const int events = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  if (events < 0) throw SystemError("keep", "standard output", errno);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  return events;
}

FileDescriptor catch_stop_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  FileDescriptor fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) throw SystemError("watch", "signals", errno);
  return fd;
}

/// Whether "go" came in, and not a signal or the end of the supervisor.
bool wait_for_go(int stop_signals) {
  std::string heard;
  while (heard.find("go\n") == std::string::npos) {
    pollfd polled[] = {{STDIN_FILENO, POLLIN, 0}, {stop_signals, POLLIN, 0}};
    if (::poll(polled, 2, -1) < 0 && errno != EINTR) return false;
    if (polled[1].revents != 0) return false;
    if (polled[0].revents == 0) continue;
    char buffer[64];
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n <= 0) return false;
    heard.append(buffer, static_cast<size_t>(n));
  }
  return true;
}

int run(const ScriptRankOptions& options, int events, int stop_signals, const Clock& clock) {
  const char* python_path = std::getenv("PYTHONPATH");
  Job job = read_job(options.job);
  settle(job.devices, job.device_kind, this_machine().cores, std::getenv("CUDA_VISIBLE_DEVICES"));
  const RankSetup setup{std::move(job),
                        clock,
                        events,
                        stop_signals,
                        options.python_helper,
                        python_path == nullptr ? "" : python_path};
  if (!setup.job.command)
    throw InputError(options.job.string() + ": is a job for saturn-worker, not for a command");
  const bool trial = setup.job.mode == Job::Mode::kTrial;
  const std::int64_t step =
      trial ? 0 : ScriptCheckpoints(setup.job.directory, setup.job.keep_checkpoints).latest().step;
  setup.write(Ready{step, 0});
  if (!wait_for_go(stop_signals)) {
    setup.write(Stopped{step});
    return 0;
  }
  if (!trial) return train_script(setup);
  try_script(setup);
  return 0;
}

}  // namespace

void RankSetup::write(const Event& event) const {
  [[maybe_unused]] const int error = write_all(events, to_line(event));
}

ScriptSpec RankSetup::script(const Job& own_job, const Knobs& knobs,
                             const SavedCheckpoint& checkpoint) const {
  ScriptStart start;
  start.knobs = knobs;
  start.checkpoint = checkpoint;
  start.python_helper = python_helper;
  start.python_path = python_path;
  return script_spec(own_job, start);
}

bool RankSetup::stop_asked() const {
  signalfd_siginfo signal;
  return ::read(stop_signals, &signal, sizeof signal) == sizeof signal;
}

int run_script_rank(const ScriptRankOptions& options) {
  die_with_supervisor();
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // what its guardian leaves behind becomes its own
  ::fcntl(3, F_SETFD, FD_CLOEXEC);     // the rendezvous of ranks, which a script has no use for
  const int events = claim_standard_output();
  const FileDescriptor stop_signals = catch_stop_signals();
  const SteadyClock clock;
  try {
    return run(options, events, stop_signals.get(), clock);
  } catch (const std::exception& error) {
    (void)write_all(STDERR_FILENO, std::string("saturn: ") + error.what() + "\n");
    (void)write_all(events, to_line(Failed{Failed::Reason::kError, error.what()}));
    return 1;
  }
}

}  // namespace saturn
