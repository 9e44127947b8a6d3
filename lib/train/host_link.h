// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <stdexcept>

#include "base/file.h"
#include "train/shared_communicator.h"

namespace saturn {

/// What goes before each piece of a collective, and before a message; the receiver knows what is due.
struct Frame {
  Call call;
  std::uint32_t sequence = 0;  ///< of the collective
  std::uint32_t piece = 0;

  bool operator==(const Frame&) const = default;
};
/// `Call::operation` of the last frame of a rank that leaves.
inline constexpr std::uint32_t kLeaving = 100;

/// The connection is gone.
class LinkLost : public std::runtime_error {
 public:
  explicit LinkLost(int error);
  int error() const { return error_; }  ///< an errno; 0: the other has closed it

 private:
  int error_;
};

/// One side of a connection to a rank of another host. Nothing waits. Errors: LinkLost.
class Link {
 public:
  explicit Link(FileDescriptor socket) : socket_(std::move(socket)) {}

  int descriptor() const { return socket_.get(); }

  /// To be sent behind what was queued before; `data` stays the caller's, and as it is, until `sent` has come
  /// to the number returned.
  std::uint64_t queue(const Frame& frame, const void* data, std::size_t bytes);
  /// Gives the kernel as much as it takes.
  void send_some();
  std::uint64_t sent() const { return sent_; }  ///< what was queued and is the kernel's now
  bool idle() const { return queue_.empty(); }

  /// What has come in, `bytes` at most; 0: nothing at the moment.
  std::size_t receive_some(void* to, std::size_t bytes);

  /// The last word, if the kernel takes it.
  void say_goodbye();

 private:
  struct Entry {
    Frame frame;
    const std::byte* data;
    std::size_t bytes;
  };

  FileDescriptor socket_;
  std::deque<Entry> queue_;
  std::size_t done_ = 0;  ///< bytes of the first entry, its frame included
  std::uint64_t queued_ = 0, sent_ = 0;
};

}  // namespace saturn
