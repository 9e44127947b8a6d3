// SPDX-License-Identifier: Apache-2.0
#include "time_limit.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <signal.h>

#include "base/clock.h"
#include "base/command.h"
#include "base/error.h"

namespace saturn {
namespace {

constexpr Seconds kReserve{120};
constexpr double kReserveShare = 0.1;
constexpr Seconds kRequeueTakes{60};

std::optional<Seconds> reserve_of(const TimeLimitOptions& options, std::vector<Diagnostic>& wrong) {
  if (options.reserve.empty()) return {};
  const auto reserve = parse_duration(options.reserve);
  if (!reserve)
    wrong.push_back(
        {"", 0, 0, fmt::format("--time-reserve '{}': is no time, as 2min is", options.reserve), ""});
  return reserve;
}

}  // namespace

std::optional<Seconds> mind_time_limit(const TimeLimitOptions& options,
                                       const std::optional<SlurmAllocation>& allocation,
                                       InterruptGuard& interrupts) {
  static const std::map<std::string, int> kSignals{{"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"TERM", SIGTERM}};
  interrupts.leave_on(kSignals.at(options.signal));
  std::vector<Diagnostic> wrong;
  const auto given = reserve_of(options, wrong);
  if (options.requeue && !allocation)
    wrong.push_back({"", 0, 0, "--requeue: this is no Slurm allocation, nothing could start it again", ""});
  if (!wrong.empty()) throw InputError(std::move(wrong));
  if (!allocation) return {};
  const auto left = allocation->job.time_left();
  if (!left) return {};
  const Seconds reserve = given.value_or(std::min(kReserve, kReserveShare * *left));
  if (reserve >= *left) {
    throw InputError(fmt::format("--time-reserve {}: only {} are left of the allocation",
                                 to_text_duration(reserve), to_text_duration(*left)));
  }
  interrupts.leave_after(*left - reserve);
  return SteadyClock().now() + *left;
}

std::int64_t kept_steps(const RunState& state) {
  std::int64_t steps = 0;
  for (const auto& [name, task] : state.tasks)
    steps += task.phase == TaskState::Phase::kFinished ? task.finished_of : task.step;
  return steps;
}

void requeue(const SlurmAllocation& allocation) {
  const std::vector<std::string> command{"scontrol", "requeue", allocation.job.id};
  const CommandResult result = run_command(command, kRequeueTakes);
  if (result.exit_code == 0 && !result.timed_out) return;
  throw SystemError("requeue", "Slurm job " + allocation.job.id,
                    result.timed_out ? "scontrol has not answered within a minute"
                                     : fmt::format("scontrol ended with exit code {}: {}", result.exit_code,
                                                   result.error_output),
                    "submit the same script again: it goes on from the last checkpoints");
}

}  // namespace saturn
