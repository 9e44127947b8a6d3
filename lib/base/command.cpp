// SPDX-License-Identifier: Apache-2.0
#include "base/command.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/subprocess.h"

namespace saturn {
namespace {

constexpr std::size_t kMostKept = std::size_t{64} << 20;

/// Takes what is there; closes the pipe at its end.
void take(FileDescriptor& end, std::string& text) {
  std::array<char, 65536> buffer{};
  const ssize_t n = ::read(end.get(), buffer.data(), buffer.size());
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (n <= 0) return end.reset();
  text.append(buffer.data(), std::min(static_cast<std::size_t>(n), kMostKept - text.size()));
}

/// Until both pipes and the process have ended; false when the time is over first.
bool follow(const Child& child, FileDescriptor& output, FileDescriptor& errors, CommandResult& result,
            Seconds deadline) {
  bool ended = false;
  while (!ended || output || errors) {
    // A descriptor of -1 is passed over.
    std::array<pollfd, 3> polled{pollfd{output ? output.get() : -1, POLLIN, 0},
                                 pollfd{errors ? errors.get() : -1, POLLIN, 0},
                                 pollfd{ended ? -1 : child.pidfd.get(), POLLIN, 0}};
    const double left = (deadline - SteadyClock().now()).count() * 1e3;  // milliseconds
    if (left <= 0) return false;
    if (::poll(polled.data(), polled.size(), static_cast<int>(std::min(left + 1, 1e6))) <= 0) continue;
    if (polled[0].revents != 0) take(output, result.output);
    if (polled[1].revents != 0) take(errors, result.error_output);
    ended = ended || polled[2].revents != 0;
  }
  return true;
}

}  // namespace

CommandResult run_command(const std::vector<std::string>& argv, Seconds time_limit) {
  const Seconds deadline = SteadyClock().now() + time_limit;
  const FileDescriptor nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  Pipe output = make_pipe();
  Pipe errors = make_pipe();
  SpawnSpec spec;
  spec.argv = argv;
  spec.inherit = {{nothing.get(), 0}, {output.write_end.get(), 1}, {errors.write_end.get(), 2}};
  const Child child = spawn(spec);
  output.write_end.reset();
  errors.write_end.reset();
  CommandResult result;
  result.timed_out = !follow(child, output.read_end, errors.read_end, result, deadline);
  if (result.timed_out) ::kill(-child.pid, SIGKILL);
  result.exit_code = reap(child.pid);
  return result;
}

}  // namespace saturn
