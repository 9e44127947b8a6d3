// SPDX-License-Identifier: Apache-2.0
#include "launch/news_queue.h"

#include <algorithm>
#include <cerrno>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"

namespace saturn {

NewsQueue::NewsQueue() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!wake_) throw SystemError("create", "an event descriptor", errno, "raise the limit on open files");
}

std::optional<GangNews> NewsQueue::wait(Seconds timeout, const std::function<void(Seconds)>& poll_once) {
  const Seconds deadline = clock_.now() + timeout;
  while (news_.empty()) {
    const Seconds left = deadline - clock_.now();
    poll_once(std::max(left, Seconds(0)));
    std::uint64_t count = 0;
    if (::read(wake_.get(), &count, sizeof count) > 0) break;
    if (left <= Seconds(0)) break;
  }
  if (news_.empty()) return {};
  GangNews first = std::move(news_.front());
  news_.pop_front();
  return first;
}

void NewsQueue::wake() {
  const std::uint64_t one = 1;
  // Full means that a wake-up is pending already.
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

}  // namespace saturn
