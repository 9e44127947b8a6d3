// SPDX-License-Identifier: Apache-2.0
#include "script/guardian.h"

#include <cerrno>
#include <doctest/doctest.h>
#include <fstream>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "script/process_tree.h"
#include "temporary_directory.h"

namespace saturn::guardian_test {

namespace {

GuardedSpec shell(const std::string& script, const test::TemporaryDirectory& directory) {
  GuardedSpec spec;
  spec.argv = {"sh", "-c", script};
  spec.working_directory = directory.path();
  spec.stop_signal = SIGTERM;
  return spec;
}

/// Whether the descriptor becomes readable in time.
bool readable(int fd) {
  pollfd polled{fd, POLLIN, 0};
  return ::poll(&polled, 1, 20'000) == 1;
}

/// Everything until the end.
std::string read_all(int fd) {
  std::string text;
  char buffer[256];
  while (readable(fd)) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  return text;
}

pid_t pid_in(const test::TemporaryDirectory& directory) {
  pid_t pid = 0;
  for (int i = 0; i < 2000 && pid == 0; ++i) {
    std::ifstream(directory / "pid") >> pid;
    ::usleep(5000);
  }
  return pid;
}

bool ends(pid_t pid) {
  for (int i = 0; i < 2000; ++i) {
    if (::kill(pid, 0) != 0 && errno == ESRCH) return true;
    ::usleep(5000);
  }
  return false;
}

}  // namespace

TEST_CASE("a command's output, errors, environment, directory and exit code") {
  const test::TemporaryDirectory directory;
  GuardedSpec spec = shell("echo out $WORD; pwd >&2; exit 7", directory);
  spec.environment = {{"WORD", "a b"}};
  GuardedCommand command(spec);
  CHECK(read_all(command.output()) == "out a b\n");
  CHECK(read_all(command.errors()) == directory.path().string() + "\n");
  CHECK(readable(command.ended()));
  CHECK(command.reap() == 7);
}

TEST_CASE("a program or a directory that is not there is an error") {
  const test::TemporaryDirectory directory;
  GuardedSpec spec = shell("", directory);
  spec.argv = {"no-such-program"};
  CHECK_THROWS_WITH_AS(
      GuardedCommand{spec},
      "cannot start no-such-program: No such file or directory; the manifest's command names it; "
      "a program without a slash is looked for in PATH",
      SystemError);
  spec = shell("", directory);
  spec.working_directory = directory / "none";
  CHECK_THROWS_AS(GuardedCommand{spec}, SystemError);
}

TEST_CASE("the stop signal reaches the command; a kill everything") {
  const test::TemporaryDirectory directory;
  GuardedCommand polite(shell("trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done", directory));
  CHECK(readable(polite.output()));
  polite.ask_to_stop();
  CHECK(readable(polite.ended()));
  CHECK(polite.reap() == 3);
  GuardedCommand deaf(shell("trap '' TERM; sleep 1000 & echo $! >pid; echo up; wait", directory));
  CHECK(readable(deaf.output()));
  const pid_t child = pid_in(directory);
  CHECK(resident_bytes(deaf.processes()) > 0);
  deaf.ask_to_stop();
  deaf.kill();
  CHECK(readable(deaf.ended()));
  CHECK(deaf.reap() == 128 + SIGKILL);
  CHECK(ends(child));
}

TEST_CASE("what a command leaves behind dies with it, in a session of its own too") {
  const test::TemporaryDirectory directory;
  GuardedCommand command(
      shell("setsid sh -c 'echo $$ >pid; exec sleep 1000' & sleep 0.2; exit 0", directory));
  const pid_t left = pid_in(directory);
  REQUIRE(left > 0);
  CHECK(readable(command.ended()));
  CHECK(command.reap() == 0);
  CHECK(ends(left));
}

TEST_CASE("nothing outlives an owner that is killed") {
  const test::TemporaryDirectory directory;
  const pid_t owner = ::fork();
  if (owner == 0) {
    GuardedCommand command(shell("setsid sh -c 'echo $$ >pid; exec sleep 1000' & wait", directory));
    ::pause();
    ::_exit(0);
  }
  const pid_t left = pid_in(directory);
  REQUIRE(left > 0);
  ::kill(owner, SIGKILL);
  ::waitpid(owner, nullptr, 0);
  CHECK(ends(left));
}

}  // namespace saturn::guardian_test
