// SPDX-License-Identifier: Apache-2.0
#include "train/communication_queue.h"

#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace saturn {

class CommunicationQueue::Lane {
 public:
  virtual ~Lane() = default;
  virtual Ticket submit(std::function<void(Communicator&)> call) = 0;
  virtual void wait(Ticket ticket) = 0;
  virtual void wait_all() = 0;
  virtual void synchronize() { wait_all(); }
};

class CommunicationQueue::Inline final : public Lane {
 public:
  explicit Inline(Communicator& communicator) : communicator_(communicator) {}
  Ticket submit(std::function<void(Communicator&)> call) override {
    call(communicator_);
    return 0;
  }
  void wait(Ticket) override {}
  void wait_all() override {}

 private:
  Communicator& communicator_;
};

class CommunicationQueue::Thread final : public Lane {
 public:
  explicit Thread(Communicator& communicator) : communicator_(communicator), thread_([this] { work(); }) {}

  ~Thread() override {
    {
      const std::lock_guard lock(mutex_);
      leaving_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  Ticket submit(std::function<void(Communicator&)> call) override {
    Ticket ticket = 0;
    {
      const std::lock_guard lock(mutex_);
      calls_.push_back(std::move(call));
      ticket = ++submitted_;
    }
    changed_.notify_all();
    return ticket;
  }

  void wait(Ticket ticket) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return error_ != nullptr || done_ >= ticket; });
    if (error_ != nullptr) std::rethrow_exception(error_);
  }

  void wait_all() override { wait(submitted_); }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return leaving_ || !calls_.empty(); });
      if (leaving_) return;
      std::function<void(Communicator&)> call = std::move(calls_.front());
      calls_.pop_front();
      lock.unlock();
      std::exception_ptr error;
      try {
        call(communicator_);
      } catch (...) {
        error = std::current_exception();
      }
      call = nullptr;  // and the tensors in it, before anybody hears that it is done
      lock.lock();
      ++done_;
      if (error != nullptr) error_ = error, calls_.clear();
      changed_.notify_all();
    }
  }

  Communicator& communicator_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void(Communicator&)>> calls_;
  Ticket submitted_ = 0, done_ = 0;
  bool leaving_ = false;
  std::exception_ptr error_;
  std::thread thread_;
};

class CommunicationQueue::Stream final : public Lane {
 public:
  Stream(Communicator& communicator, at::Device device)
      : communicator_(communicator),
        guard_(device.type()),
        device_(device),
        stream_(guard_.getStreamFromGlobalPool(device)) {}

  Ticket submit(std::function<void(Communicator&)> call) override {
    c10::Event before(device_.type());
    before.record(guard_.getStream(device_));
    before.block(stream_);
    {
      const c10::StreamGuard on(stream_);
      call(communicator_);
    }
    events_.emplace_back(device_.type());
    events_.back().record(stream_);
    return ++submitted_;
  }

  void wait(Ticket ticket) override {
    while (waited_ < ticket) {
      events_.front().block(guard_.getStream(device_));
      events_.pop_front();
      ++waited_;
    }
  }

  void wait_all() override { wait(submitted_); }
  void synchronize() override {
    wait_all();
    stream_.synchronize();
  }

 private:
  Communicator& communicator_;
  c10::impl::VirtualGuardImpl guard_;
  at::Device device_;
  c10::Stream stream_;
  std::deque<c10::Event> events_;  ///< of the calls that have not been waited for
  Ticket submitted_ = 0, waited_ = 0;
};

CommunicationQueue::CommunicationQueue(Communicator& communicator, at::Device device, bool beside) {
  if (!device.is_cpu()) {
    lane_ = std::make_unique<Stream>(communicator, device);
  } else if (beside) {
    lane_ = std::make_unique<Thread>(communicator);
  } else {
    lane_ = std::make_unique<Inline>(communicator);
  }
}

CommunicationQueue::~CommunicationQueue() = default;

CommunicationQueue::Ticket CommunicationQueue::submit(std::function<void(Communicator&)> call) {
  return lane_->submit(std::move(call));
}

void CommunicationQueue::wait(Ticket ticket) {
  lane_->wait(ticket);
}

void CommunicationQueue::wait_all() {
  lane_->wait_all();
}

void CommunicationQueue::synchronize() {
  lane_->synchronize();
}

}  // namespace saturn
