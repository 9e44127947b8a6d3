// SPDX-License-Identifier: Apache-2.0
#include "base/command.h"

#include <chrono>
#include <doctest/doctest.h>

#include "base/error.h"

namespace saturn::command_test {

namespace {

CommandResult shell(const std::string& text, Seconds time_limit = Seconds(20)) {
  return run_command({"sh", "-c", text}, time_limit);
}

}  // namespace

TEST_CASE("a command's output, errors and exit code are kept apart") {
  const CommandResult result = shell("echo said; echo wrong >&2; exit 3");
  CHECK(result.exit_code == 3);
  CHECK(result.output == "said\n");
  CHECK(result.error_output == "wrong\n");
  CHECK(!result.timed_out);
  CHECK(shell("kill -9 $$").exit_code == 128 + 9);
}

TEST_CASE("more output than a pipe holds is read, and standard input is empty") {
  const CommandResult result = shell("cat; head -c 3000000 /dev/zero; head -c 200000 /dev/zero >&2");
  CHECK(result.output.size() == 3'000'000);
  CHECK(result.error_output.size() == 200'000);
}

TEST_CASE("a command that takes too long is killed with what it started") {
  const auto begun = std::chrono::steady_clock::now();
  const CommandResult result = shell("echo begun; sleep 60 & wait", Seconds(0.3));
  CHECK(result.timed_out);
  CHECK(result.exit_code == 128 + 9);
  CHECK(result.output == "begun\n");
  CHECK(Seconds(std::chrono::steady_clock::now() - begun) < Seconds(10));
}

TEST_CASE("a program that is not there is an error of the environment") {
  CHECK_THROWS_WITH_AS(run_command({"no-such-program-anywhere"}, Seconds(1)),
                       "cannot start no-such-program-anywhere: No such file or directory", SystemError);
}

}  // namespace saturn::command_test
