// SPDX-License-Identifier: Apache-2.0
#include "base/subprocess.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

extern char** environ;

namespace saturn {
namespace {

/// posix_spawn's two objects, freed at the end of the scope.
struct SpawnSettings {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;

  SpawnSettings() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
};

void set_attributes(posix_spawnattr_t& attributes, pid_t process_group) {
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setpgroup(&attributes, process_group);
  ::posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

std::vector<std::string> merged_environment(const std::vector<std::pair<std::string, std::string>>& added) {
  std::vector<std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const bool replaced = std::any_of(added.begin(), added.end(),
                                      [&](const auto& pair) { return text.starts_with(pair.first + "="); });
    if (!replaced) merged.push_back(text);
  }
  for (const auto& [name, value] : added) merged.push_back(name + "=" + value);
  return merged;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

int exit_code(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Child spawn(const SpawnSpec& spec) {
  SpawnSettings settings;
  set_attributes(settings.attributes, spec.process_group);
  std::vector<FileDescriptor> moved;
  for (const auto& [own, wanted] : spec.inherit) {
    // Away from the low numbers first, so that one dup2 does not close what a later one still needs.
    moved.emplace_back(::fcntl(own, F_DUPFD_CLOEXEC, 64));
    if (!moved.back()) throw SystemError("start", spec.argv.at(0), errno, "raise the limit on open files");
    ::posix_spawn_file_actions_adddup2(&settings.actions, moved.back().get(), wanted);
  }
  if (!spec.directory.empty())
    ::posix_spawn_file_actions_addchdir_np(&settings.actions, spec.directory.c_str());
  std::vector<std::string> argv = spec.argv;
  std::vector<std::string> environment = merged_environment(spec.environment);
  Child child;
  const int error = ::posix_spawnp(&child.pid, argv.at(0).c_str(), &settings.actions, &settings.attributes,
                                   pointers(argv).data(), pointers(environment).data());
  if (error != 0) throw SystemError("start", spec.argv[0], error);
  child.pidfd = FileDescriptor(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
  if (!child.pidfd) {
    const int reason = errno;
    ::kill(child.pid, SIGKILL);
    reap(child.pid);
    throw SystemError("watch", spec.argv[0], reason, "a Linux kernel of at least 5.3 is needed");
  }
  ::fcntl(child.pidfd.get(), F_SETFD, FD_CLOEXEC);
  return child;
}

int try_reap(pid_t pid) {
  int status = 0;
  pid_t result = 0;
  do result = ::waitpid(pid, &status, WNOHANG);
  while (result < 0 && errno == EINTR);
  if (result == 0) return -1;
  return result == pid ? exit_code(status) : 127;  // somebody else reaped it: its code is lost
}

int reap(pid_t pid) {
  int status = 0;
  pid_t result = 0;
  do result = ::waitpid(pid, &status, 0);
  while (result < 0 && errno == EINTR);
  return result == pid ? exit_code(status) : 127;
}

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    throw SystemError("create", "a pipe", errno, "raise the limit on open files");
  return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

}  // namespace saturn
