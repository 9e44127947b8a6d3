// SPDX-License-Identifier: Apache-2.0
#include "train/host_link.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/uio.h>

namespace saturn {

LinkLost::LinkLost(int error)
    : std::runtime_error(error == 0 ? "the connection was closed" : std::strerror(error)), error_(error) {}

std::uint64_t Link::queue(const Frame& frame, const void* data, std::size_t bytes) {
  queue_.push_back({frame, static_cast<const std::byte*>(data), bytes});
  return ++queued_;
}

void Link::send_some() {
  constexpr std::size_t kMostEntries = 4;
  while (!queue_.empty()) {
    std::array<iovec, 2 * kMostEntries> parts{};
    std::size_t count = 0, skipped = done_;
    const auto add = [&](const void* from, std::size_t bytes) {
      const std::size_t skip = std::min(skipped, bytes);
      skipped -= skip;
      if (skip < bytes) parts[count++] = {static_cast<char*>(const_cast<void*>(from)) + skip, bytes - skip};
    };
    for (std::size_t i = 0; i < std::min(kMostEntries, queue_.size()); ++i) {
      add(&queue_[i].frame, sizeof(Frame));
      add(queue_[i].data, queue_[i].bytes);
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    const ssize_t n = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) throw LinkLost(errno);
    done_ += static_cast<std::size_t>(n);
    while (!queue_.empty() && done_ >= sizeof(Frame) + queue_.front().bytes) {
      done_ -= sizeof(Frame) + queue_.front().bytes;
      queue_.pop_front();
      ++sent_;
    }
  }
}

std::size_t Link::receive_some(void* to, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t n = ::recv(socket_.get(), to, bytes, MSG_DONTWAIT);
    if (n > 0) return static_cast<std::size_t>(n);
    if (n == 0) throw LinkLost(0);
    if (errno == EAGAIN) return 0;
    if (errno != EINTR) throw LinkLost(errno);
  }
  return 0;
}

void Link::say_goodbye() {
  if (!idle()) return;  // what was begun cannot be completed
  Frame frame;
  frame.call.operation = kLeaving;
  (void)::send(socket_.get(), &frame, sizeof frame, MSG_NOSIGNAL | MSG_DONTWAIT);
  (void)::shutdown(socket_.get(), SHUT_WR);
}

}  // namespace saturn
