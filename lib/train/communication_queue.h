// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <cstdint>
#include <functional>
#include <memory>

#include "train/communicator.h"

namespace saturn {

/// Runs collectives in the order submitted, beside the computation. On the CPU a thread of its own runs
/// them; on an accelerator they are put on a stream of their own, behind what the calling thread's stream has
/// to do by then. While something submitted has not been waited for, nobody else uses the communicator, and
/// the tensors in it must live. All methods are called by one thread; both kinds of `wait` rethrow what went
/// wrong.
class CommunicationQueue {
 public:
  using Ticket = std::uint64_t;

  /// `beside`: false = on the CPU everything is done at once, in `submit`. The communicator outlives the
  /// queue.
  CommunicationQueue(Communicator& communicator, at::Device device, bool beside);
  ~CommunicationQueue();
  CommunicationQueue(const CommunicationQueue&) = delete;
  CommunicationQueue& operator=(const CommunicationQueue&) = delete;

  Ticket submit(std::function<void(Communicator&)> call);
  /// Until that call and all before it are done; on an accelerator this thread's stream waits, not the
  /// thread.
  void wait(Ticket ticket);
  /// Until everything is; the communicator is the caller's again, for use on the same stream.
  void wait_all();
  /// The same, and this thread waits in any case: what was written into host memory can be read.
  void synchronize();

 private:
  class Lane;  // how calls are carried out
  class Inline;
  class Thread;
  class Stream;
  std::unique_ptr<Lane> lane_;
};

}  // namespace saturn
