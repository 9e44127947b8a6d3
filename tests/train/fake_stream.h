// SPDX-License-Identifier: Apache-2.0
// What the fake CUDA and the fake NCCL (fake_gpu.h) both know: how a stream does what is queued on it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

/// A thread that does what is queued, in order.
struct CUstream_st {
  CUstream_st() : worker([this] { work(); }) {}
  ~CUstream_st() {
    push({});
    worker.join();
  }
  /// An empty task ends the thread.
  void push(std::function<void()> task) {
    const std::lock_guard lock(mutex);
    tasks.push_back(std::move(task));
    ++queued;
    changed.notify_all();
  }
  void work() {
    while (true) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [this] { return !tasks.empty(); });
      const std::function<void()> task = std::move(tasks.front());
      tasks.pop_front();
      lock.unlock();
      if (!task) return;
      task();
      lock.lock();
      ++done;
      changed.notify_all();
    }
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> tasks;
  std::uint64_t queued = 0, done = 0;
  std::thread worker;
};
