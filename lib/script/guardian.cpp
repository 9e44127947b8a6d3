// SPDX-License-Identifier: Apache-2.0
#include "script/guardian.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/subprocess.h"
#include "script/process_tree.h"

namespace saturn {
namespace {

constexpr char kStop = 's', kKill = 'k';
constexpr int kAdoptEveryMilliseconds = 500;

/// What the starting of the command came to; travels through a pipe.
struct StartFailure {
  char what = 0;  ///< 'p' the program, 'd' the directory, 'c' the cores
  int error = 0;
};

/// The pipes' ends that the guardian and the command need.
struct ChildEnds {
  int output, errors, control, status, failure;
};

[[noreturn]] void fail(int pipe, char what) {
  const StartFailure failure{what, errno};
  [[maybe_unused]] const ssize_t n = ::write(pipe, &failure, sizeof failure);
  ::_exit(127);
}

void default_signals() {
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

bool pin(const std::vector<int>& cores) {
  if (cores.empty()) return true;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) {
    if (core >= 0 && core < CPU_SETSIZE) CPU_SET(core, &set);
  }
  return ::sched_setaffinity(0, sizeof set, &set) == 0;
}

/// In the command's own process, up to its program.
[[noreturn]] void become(const GuardedSpec& spec, const ChildEnds& ends, pid_t guardian) {
  ::setpgid(0, 0);
  default_signals();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != guardian) ::_exit(127);
  if (!pin(spec.cores)) fail(ends.failure, 'c');
  if (::chdir(spec.working_directory.c_str()) != 0) fail(ends.failure, 'd');
  for (const auto& [name, value] : spec.environment) ::setenv(name.c_str(), value.c_str(), 1);
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(null, STDIN_FILENO);
  ::dup2(ends.output, STDOUT_FILENO);
  ::dup2(ends.errors, STDERR_FILENO);
  std::vector<std::string> words = spec.argv;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execvp(argv[0], argv.data());
  fail(ends.failure, 'p');
}

/// Whether the owner wants everything dead; passes a wish to stop on to the command.
bool obey(int control, pid_t command, int stop_signal) {
  char order = 0;
  const ssize_t n = ::read(control, &order, 1);
  if (n < 0 && errno == EINTR) return false;
  if (n == 1 && order == kStop && stop_signal != 0) ::kill(command, stop_signal);
  return n <= 0 || order == kKill;
}

/// Waits for the command, in the owner's spirit. Returns its wait status.
int watch(pid_t command, const ChildEnds& ends, int stop_signal) {
  const FileDescriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, command, 0)));
  bool obeying = true;
  while (true) {
    pollfd polled[] = {{pidfd.get(), POLLIN, 0}, {obeying ? ends.control : -1, POLLIN, 0}};
    ::poll(polled, 2, kAdoptEveryMilliseconds);
    if (polled[1].revents != 0 && obey(ends.control, command, stop_signal)) {
      ::kill(command, SIGKILL);
      obeying = false;
    }
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid == command) return status;  // the others were left behind by it
    }
  }
}

[[noreturn]] void guard(const GuardedSpec& spec, const ChildEnds& ends) {
  ::setsid();
  ::prctl(PR_SET_NAME, "script-guard");  // who kills every saturn by its name does not mean this one
  default_signals();
  ::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const pid_t self = ::getpid();
  const pid_t command = ::fork();
  if (command == 0) become(spec, ends, self);
  if (command < 0) fail(ends.failure, 'p');
  for (const int fd : {ends.output, ends.errors, ends.failure, STDOUT_FILENO, STDERR_FILENO}) ::close(fd);
  const int status = watch(command, ends, spec.stop_signal);
  kill_descendants();
  [[maybe_unused]] const ssize_t n = ::write(ends.status, &status, sizeof status);
  ::_exit(0);
}

[[noreturn]] void report(const GuardedSpec& spec, const StartFailure& failure) {
  if (failure.what == 'd') throw SystemError("enter", spec.working_directory, failure.error);
  if (failure.what == 'c')
    throw SystemError("pin a command to", "its cores", failure.error,
                      "the cluster names cores that this process may not use");
  throw SystemError("start", spec.argv.at(0), failure.error,
                    "the manifest's command names it; a program without a slash is looked for in PATH");
}

}  // namespace

GuardedCommand::GuardedCommand(const GuardedSpec& spec) {
  Pipe output = make_pipe(), errors = make_pipe(), control = make_pipe(), status = make_pipe(),
       failure = make_pipe();
  guardian_ = ::fork();
  if (guardian_ < 0) throw SystemError("start", spec.argv.at(0), errno);
  if (guardian_ == 0) {
    // Its own copy of the owner's end would keep it from seeing the owner go.
    control.write_end.reset();
    guard(spec, {output.write_end.get(), errors.write_end.get(), control.read_end.get(),
                 status.write_end.get(), failure.write_end.get()});
  }
  output_ = std::move(output.read_end);
  errors_ = std::move(errors.read_end);
  control_ = std::move(control.write_end);
  status_ = std::move(status.read_end);
  failure.write_end.reset();
  ::fcntl(output_.get(), F_SETFL, O_NONBLOCK);
  ::fcntl(errors_.get(), F_SETFL, O_NONBLOCK);
  StartFailure failed;
  ssize_t n = 0;
  do n = ::read(failure.read_end.get(), &failed, sizeof failed);  // ends when the program runs
  while (n < 0 && errno == EINTR);
  if (n != sizeof failed) return;
  output.write_end.reset(), errors.write_end.reset(), status.write_end.reset();
  reap();
  report(spec, failed);
}

GuardedCommand::~GuardedCommand() {
  control_.reset();
  if (!code_) reap();
}

void GuardedCommand::ask_to_stop() const {
  [[maybe_unused]] const ssize_t n = ::write(control_.get(), &kStop, 1);
}

void GuardedCommand::kill() const {
  [[maybe_unused]] const ssize_t n = ::write(control_.get(), &kKill, 1);
}

std::vector<pid_t> GuardedCommand::processes() const {
  return descendants_of(guardian_);
}

int GuardedCommand::reap() {
  if (code_) return *code_;
  int status = 0;
  ssize_t n = 0;
  do n = ::read(status_.get(), &status, sizeof status);
  while (n < 0 && errno == EINTR);
  (void)saturn::reap(guardian_);
  // A guardian that was killed itself says nothing; what it left is this process's to kill, which adopts it.
  if (n != sizeof status) {
    kill_descendants();
    status = SIGKILL;
  }
  code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return *code_;
}

}  // namespace saturn
