// SPDX-License-Identifier: Apache-2.0
#include "run/on_finish.h"

#include <algorithm>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/error.h"
#include "base/subprocess.h"
#include "base/units.h"

namespace saturn {
namespace {

constexpr Seconds kGrace{5};
/// A signal may come in just before a wait that it was to end.
constexpr Seconds kLookEvery{0.2};

/// Whether the child ends within the time, and before another signal than the `count` that have come.
bool ends_within(const Child& child, Seconds limit, const Interrupt& interrupt, int count) {
  const SteadyClock clock;
  const Seconds deadline = clock.now() + limit;
  while (interrupt.count <= count) {
    const Seconds left = deadline - clock.now();
    if (left <= Seconds(0)) return false;
    pollfd polled{child.pidfd.get(), POLLIN, 0};
    if (::poll(&polled, 1, static_cast<int>(std::min(left, kLookEvery).count() * 1e3) + 1) > 0) return true;
  }
  return false;
}

}  // namespace

std::string outcome_word(int exit_code) {
  if (exit_code > 128) return "interrupted";
  if (exit_code == kOutOfBudget) return "out_of_budget";
  return exit_code == 0 ? "done" : exit_code == 1 ? "failed" : "error";
}

std::vector<std::pair<std::string, std::string>> outcome_variables(const RunOutcome& outcome) {
  return {{"SATURN_OUTCOME", outcome_word(outcome.exit_code)},
          {"SATURN_EXIT_CODE", std::to_string(outcome.exit_code)},
          {"SATURN_RUN_DIRECTORY", outcome.directory.string()},
          {"SATURN_WORKLOAD", outcome.workload_file.string()},
          {"SATURN_TASKS_FINISHED", std::to_string(outcome.finished)},
          {"SATURN_TASKS_FAILED", std::to_string(outcome.failed)},
          {"SATURN_TASKS_LEFT", std::to_string(outcome.left)}};
}

std::string run_on_finish(const FinishCommand& command, const RunOutcome& outcome,
                          const Interrupt& interrupt) {
  const int count = interrupt.count;
  const FileDescriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  SpawnSpec spec;
  spec.argv = {"/bin/sh", "-c", command.line};
  spec.environment = outcome_variables(outcome);
  spec.inherit = {{null.get(), STDIN_FILENO}, {STDERR_FILENO, STDOUT_FILENO}};
  spec.directory = command.directory;
  Child child;
  try {
    child = spawn(spec);
  } catch (const SystemError& error) {
    return error.what();
  }
  const bool in_time = ends_within(child, command.time_limit, interrupt, count);
  const bool signalled = !in_time && interrupt.count > count;
  if (!in_time) {
    ::kill(-child.pid, SIGTERM);
    (void)ends_within(child, kGrace, interrupt, interrupt.count);
  }
  ::kill(-child.pid, SIGKILL);  // before it is reaped: until then the group's number is its own
  const int code = reap(child.pid);
  if (signalled) return "it was ended by a signal";
  if (!in_time) {
    return fmt::format("it had not ended after {} (run.on_finish_timeout), and was killed",
                       to_text_duration(command.time_limit));
  }
  if (code > 128) return fmt::format("it was killed by signal {}", code - 128);
  return code == 0 ? "" : fmt::format("it exited with code {}", code);
}

}  // namespace saturn
