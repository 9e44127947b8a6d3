// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>

#include "base/units.h"

namespace saturn {

/// A collective cannot complete: a peer died, failed or did not come within the time limit. `what()` says
/// which rank and why.
class CommunicatorError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Dtype { kFloat32, kFloat64, kBFloat16, kInt64 };
enum class Reduction { kSum, kMax };

/// Bytes of one element.
std::size_t size_of(Dtype dtype);

/// A buffer of `count` elements. Not owned.
struct Buffer {
  void* data = nullptr;
  std::size_t count = 0;
  Dtype dtype = Dtype::kFloat32;
};

/// Collectives between the ranks of one gang, by one thread at a time. Every rank calls the same in the same
/// order with the same sizes; results are the same bits on all ranks and from run to run. In host memory all
/// block, up to the time limit; in a GPU's they are queued on the current stream (train/accelerator.h).
/// Errors: CommunicatorError on every rank, after which the communicator is dead.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// In place over all ranks.
  virtual void all_reduce(Buffer buffer, Reduction reduction) = 0;
  /// `output` holds size() parts; part r is rank r's `input`. `input` may be its own part of `output`.
  virtual void all_gather(Buffer input, Buffer output) = 0;
  /// `input` holds size() parts; `output` becomes the sum of every rank's part number rank().
  virtual void reduce_scatter(Buffer input, Buffer output) = 0;
  virtual void broadcast(Buffer buffer, int root) = 0;
  /// From one rank to another, in order; matched by the other's `receive` of the same count and dtype. May
  /// return before the other has received it.
  virtual void send(Buffer buffer, int to) = 0;
  virtual void receive(Buffer buffer, int from) = 0;
  /// Sends to `peer` and receives from it at the same time, so that two ranks may swap buffers of any size;
  /// matched by the peer's `exchange`, or by its `send` and `receive` where their order allows.
  virtual void exchange(Buffer sent, Buffer received, int peer) = 0;
  virtual void barrier() = 0;

  /// Makes every rank's present and later calls fail with `reason`; the first reason stays. Any thread;
  /// async-signal-safe it is not.
  virtual void abort(const std::string& reason) = 0;
  /// The reason of the abort, empty when there was none.
  virtual std::string aborted() const = 0;
};

/// Shared memory between the ranks of one host. `rendezvous` names a file that all ranks can open and map
/// (the supervisor hands out an inherited memfd as /proc/self/fd/N; by hand, a path in /dev/shm); the first
/// rank to come sizes it. Serves one gang once for every `generation`: after a
/// failure the ranks that still live may meet again in the next one. Returns when all `size` (at most 64)
/// ranks are there. No wait is longer than `timeout`; a peer that died or left, also one that died before it
/// came to this generation from the one before, is noticed (by its process id) within about 20 ms of waiting
/// for it. Errors: CommunicatorError, SystemError.
std::unique_ptr<Communicator> make_shared_memory_communicator(const std::filesystem::path& rendezvous,
                                                              int rank, int size, Seconds timeout,
                                                              int generation = 0);

/// Copies between two buffers that do not overlap.
using CopyBytes = std::function<void(void* to, const void* from, std::size_t bytes)>;

/// A gang of one: every collective is a no-op or a copy, by `copy` where memory is not the host's (default:
/// std::memcpy).
std::unique_ptr<Communicator> make_single_communicator(CopyBytes copy = {});

}  // namespace saturn
