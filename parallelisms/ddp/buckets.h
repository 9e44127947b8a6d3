// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Tensor.h>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "train/communicator.h"
#include "train/model.h"

namespace saturn::ddp {

/// Adds up buffers between the ranks, in the order submitted: at once, or on a thread of its own.
class Reducer {
 public:
  Reducer(Communicator& communicator, bool threaded);
  ~Reducer();
  Reducer(const Reducer&) = delete;
  Reducer& operator=(const Reducer&) = delete;

  void submit(Buffer buffer);
  /// Until everything submitted is done; the communicator is the caller's again. Rethrows what went wrong.
  void wait();

 private:
  void work();

  Communicator& communicator_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Buffer> queue_;
  bool busy_ = false, leaving_ = false;
  std::exception_ptr error_;
  std::thread thread_;
};

/// The gradients of a replica, in flat buckets filled from the last parameter to the first, which is about
/// the order in which the backward pass makes them. A gradient is copied into its bucket when it is complete,
/// and is a view of it from then on: cheaper than views from the start, which would have to be zeroed and
/// added to. Buckets are submitted in their order on every rank, each as soon as it and all before it are
/// full.
class Buckets {
 public:
  Buckets(const std::vector<Parameter>& parameters, std::int64_t bucket_bytes, Reducer& reducer);
  ~Buckets();
  Buckets(const Buckets&) = delete;
  Buckets& operator=(const Buckets&) = delete;

  /// The next backward pass completes the gradients: what it finishes is sent. (Those before only add up.)
  void arm();
  /// Sends what no backward pass has reached (as zeros) and waits for everything.
  void finish();

 private:
  struct Slot {
    at::Tensor parameter;
    at::Tensor view;  ///< of its bucket, shaped as the parameter
    std::size_t bucket = 0;
    bool full = false;
  };
  struct Bucket {
    at::Tensor flat;
    std::int64_t elements = 0;
    std::size_t slots = 0, missing = 0;
  };

  void assign(const std::vector<Parameter>& parameters, std::int64_t bucket_bytes);
  void allocate();
  void watch();
  void take(std::size_t slot);
  void submit_full();

  Reducer& reducer_;
  std::vector<Slot> slots_;
  std::vector<Bucket> buckets_;
  std::size_t submitted_ = 0;
  bool armed_ = false;
};

}  // namespace saturn::ddp
