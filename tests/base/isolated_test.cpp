// SPDX-License-Identifier: Apache-2.0
#include "base/isolated.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "base/file.h"

namespace saturn::isolated_test {
namespace {

const IsolationLimits kPlenty{Seconds(60), nullptr};

[[noreturn]] std::string never_end() {
  while (true) ::pause();
}

bool no_child_is_left() {
  return ::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD;
}

TEST_CASE("Isolated work gives its text, of any length and any bytes") {
  for (const size_t length : {size_t{0}, size_t{1}, size_t{3000000}}) {
    const std::string text(length, '\0');
    CHECK((run_isolated([&] { return text; }, kPlenty) == text));
  }
  CHECK(no_child_is_left());
}

TEST_CASE("What isolated work changes is lost, and what the program has is left alone") {
  int value = 1;
  const auto text = run_isolated([&] { return std::to_string(++value); }, kPlenty);
  CHECK(text == "2");
  CHECK(value == 1);
}

TEST_CASE("Isolated work that dies, throws or leaves gives nothing") {
  CHECK(run_isolated([]() -> std::string { std::abort(); }, kPlenty) == std::nullopt);
  CHECK(run_isolated([]() -> std::string { throw std::runtime_error("no"); }, kPlenty) == std::nullopt);
  CHECK(run_isolated([]() -> std::string { ::_exit(0); }, kPlenty) == std::nullopt);
  const auto crash = [] {
    ::raise(SIGSEGV);
    ::kill(::getpid(), SIGKILL);  // in case the first was blocked
    return std::string("alive");
  };
  CHECK(run_isolated(crash, kPlenty) == std::nullopt);
  CHECK(no_child_is_left());
}

TEST_CASE("Isolated work that does not end is killed after its time") {
  CHECK(run_isolated(never_end, {Seconds(0.05), nullptr}) == std::nullopt);
  CHECK(no_child_is_left());
}

TEST_CASE("Isolated work is killed when it is cancelled") {
  std::atomic<bool> cancel{false};
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    cancel = true;
  });
  // Without the cancel it would hit the test's own time limit.
  CHECK(run_isolated(never_end, {Seconds(3600), &cancel}) == std::nullopt);
  later.join();
  CHECK(no_child_is_left());
}

TEST_CASE("Nothing of the program's stays open in isolated work") {
  const FileDescriptor own(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  REQUIRE(own);
  const int moved = ::fcntl(own.get(), F_DUPFD_CLOEXEC, 50);
  const auto is_open = [&] { return std::string(::fcntl(moved, F_GETFD) >= 0 ? "open" : "closed"); };
  CHECK(is_open() == "open");
  CHECK(run_isolated(is_open, kPlenty) == "closed");
  ::close(moved);
}

TEST_CASE("Several threads isolate work at once") {
  int good = 0;
  std::thread other([] {
    for (int i = 0; i < 20; ++i) (void)run_isolated([]() -> std::string { std::abort(); }, kPlenty);
  });
  for (int i = 0; i < 20; ++i)
    good += run_isolated([i] { return std::to_string(i); }, kPlenty) == std::to_string(i);
  other.join();
  CHECK(good == 20);
  CHECK(no_child_is_left());
}

}  // namespace
}  // namespace saturn::isolated_test
