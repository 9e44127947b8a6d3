// SPDX-License-Identifier: Apache-2.0
#include "train/rank_context.h"

#include <atomic>
#include <c10/util/Exception.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <new>
#include <poll.h>
#include <signal.h>
#include <stdexcept>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "train/agreement.h"

namespace saturn {
namespace {

/// How such a reason is known again on other ranks, and when CUDA's libraries say it in words of their own.
bool tells_of_memory(const std::string& text) {
  return text.find("out of memory") != std::string::npos || text.find("_ALLOC_FAILED") != std::string::npos;
}

std::atomic<bool> stop_asked{false};  // a signal handler reaches nothing else
static_assert(std::atomic<bool>::is_always_lock_free);

std::string text_of(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr)
    return "out of memory: the machine gives this process no more";
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  return torch != nullptr ? torch->what_without_backtrace() : error.what();
}

enum Answer : std::int64_t { kStill = 0, kGo = 1, kLeave = 2 };

/// What has come in within a second.
Answer read_control(int fd, std::string& line) {
  pollfd polled{fd, POLLIN, 0};
  if (::poll(&polled, 1, 1000) <= 0) return kStill;
  char buffer[64];
  const ssize_t n = ::read(fd, buffer, sizeof buffer);
  if (n < 0) return errno == EINTR || errno == EAGAIN ? kStill : kLeave;
  if (n == 0) return kLeave;
  line.append(buffer, static_cast<std::size_t>(n));
  return line.find("go\n") != std::string::npos ? kGo : kStill;
}

}  // namespace

void EventWriter::write(const Event& event) const {
  if (fd_ < 0) return;
  [[maybe_unused]] const int error = write_all(fd_, to_line(event));
}

Failed failure_of(const std::exception& error, const TaskSpec* task) {
  const std::string text = text_of(error);
  if (dynamic_cast<const NotFiniteError*>(&error) != nullptr) return {Failed::Reason::kNotFinite, text};
  const bool memory = dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
                      dynamic_cast<const std::bad_alloc*>(&error) != nullptr;
  const bool may_be = dynamic_cast<const CommunicatorError*>(&error) != nullptr ||
                      dynamic_cast<const c10::Error*>(&error) != nullptr;
  if (memory || (may_be && tells_of_memory(text))) return {Failed::Reason::kOutOfMemory, text};
  const std::string library = task == nullptr ? "" : task->model.plugin.library;
  if (library.empty() || text.find(library) != std::string::npos) return {Failed::Reason::kError, text};
  return {Failed::Reason::kError, fmt::format("{} (the model is the plug-in {})", text, library)};
}

void with_abort(const Mesh& mesh, const std::function<void()>& body) {
  try {
    body();
  } catch (const std::exception& error) {
    mesh.communicator->abort(fmt::format("rank {}: {}", mesh.rank, text_of(error)));
    throw;
  } catch (...) {  // of a plug-in
    constexpr const char* kText = "what was thrown is no std::exception";
    mesh.communicator->abort(fmt::format("rank {}: {}", mesh.rank, kText));
    throw std::runtime_error(kText);
  }
}

bool stop_requested() {
  return stop_asked;
}

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_asked = true; };
  action.sa_flags = SA_RESTART;  // libraries that read and write do not all know of interruptions
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

void leave_at_once_when_stopped() {
  ::signal(SIGTERM, SIG_DFL);
  ::signal(SIGINT, SIG_DFL);
}

double process_age_seconds() {
  const std::string stat = read_file("/proc/self/stat");
  const char* field = std::strrchr(stat.c_str(), ')');
  for (int i = 0; i < 20 && field != nullptr; ++i) field = std::strchr(field + 1, ' ');
  if (field == nullptr) return 0;
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  const double started = std::strtod(field, nullptr) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9 - started;
}

Release wait_for_release(const RankContext& context) {
  std::string line;
  while (true) {
    // The others meet rank 0 every second: a gang may wait for its devices for hours.
    std::int64_t answer = context.leads() ? read_control(context.control_fd, line) : kStill;
    if (stop_requested()) answer = kLeave;
    answer = agree_on_max(context.communicator(), answer);
    if (answer != kStill) return answer == kGo ? Release::kGo : Release::kLeave;
  }
}

}  // namespace saturn
