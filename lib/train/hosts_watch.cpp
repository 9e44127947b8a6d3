// SPDX-License-Identifier: Apache-2.0
#include "train/hosts_watch.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/socket.h"

namespace saturn {
namespace {

constexpr int kLookForAbort = 20;  // milliseconds between looks for an abort by another process
constexpr Seconds kSayIt{1};       // an answer to a cut line: nobody waits long for that
constexpr Seconds kRestOfSentence{5};

/// What the first ranks of hosts say to each other.
struct Notice {
  std::uint32_t aborted = 0;  ///< 0: I leave
  std::array<char, kReasonBytes> reason{};
};

}  // namespace

HostsWatch::HostsWatch(std::shared_ptr<const SharedSegment> segment, std::vector<Other> others)
    : segment_(std::move(segment)), others_(std::move(others)), wake_(::eventfd(0, EFD_CLOEXEC)) {
  if (!wake_) throw SystemError("create", "an event descriptor", errno, "raise the limit on open files");
  for (int rank = 0; rank < segment_->size(); ++rank) {
    const int process = segment_->rank(rank).process;
    processes_.emplace_back(process == ::getpid() ? -1
                                                  : static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
  }
  thread_ = std::thread([this] { run(); });
}

HostsWatch::~HostsWatch() {
  leaving_ = true;
  wake();
  thread_.join();
}

void HostsWatch::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(wake_.get(), &one, sizeof one);
}

void HostsWatch::run() {
  while (true) {
    std::vector<pollfd> polled{{wake_.get(), POLLIN, 0}};
    for (const Other& other : others_)
      polled.push_back({other.socket.get(), POLLIN, 0});  // -1 is passed over
    for (const FileDescriptor& process : processes_) polled.push_back({process.get(), POLLIN, 0});
    ::poll(polled.data(), polled.size(), kLookForAbort);
    for (std::size_t i = 0; i < others_.size(); ++i) {
      if (polled[1 + i].revents != 0) hear(others_[i]);
    }
    look_after_processes();
    if (segment_->is_aborted() && !told_) tell(segment_->abort_reason());
    if (leaving_) break;
    std::uint64_t count = 0;
    if (polled[0].revents != 0) [[maybe_unused]]
      const ssize_t n = ::read(wake_.get(), &count, sizeof count);
  }
  if (!told_) tell("");
}

void HostsWatch::hear(Other& other) {
  Notice notice;
  const int error = receive_all(other.socket.get(), &notice, sizeof notice, kRestOfSentence);
  if (error == 0 && notice.aborted != 0) return abort(notice.reason.data());
  other.socket.reset();
  if (error == ECONNRESET) abort(other.name + " died");
  if (error != 0 && error != ECONNRESET)
    abort("the connection to " + other.name + " is lost: " + std::strerror(error));
}

void HostsWatch::look_after_processes() {
  for (std::size_t i = 0; i < processes_.size(); ++i) {
    pollfd polled{processes_[i].get(), POLLIN, 0};
    if (!processes_[i] || ::poll(&polled, 1, 0) <= 0) continue;
    processes_[i].reset();
    const int rank = static_cast<int>(i);
    if (segment_->rank(rank).presence == Presence::kPresent) abort(segment_->loss_of(rank));
  }
}

/// Of a reason why the gang is aborted; empty: that this rank leaves.
void HostsWatch::tell(const std::string& reason) {
  told_ = true;
  Notice notice;
  notice.aborted = reason.empty() ? 0 : 1;
  std::memcpy(notice.reason.data(), reason.data(), std::min(reason.size(), notice.reason.size() - 1));
  for (const Other& other : others_) {
    if (other.socket) (void)send_all(other.socket.get(), &notice, sizeof notice, kSayIt);
  }
}

}  // namespace saturn
