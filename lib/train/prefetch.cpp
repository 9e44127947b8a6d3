// SPDX-License-Identifier: Apache-2.0
#include "train/prefetch.h"

#include <ATen/core/Tensor.h>
#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "train/rows.h"

namespace saturn {
namespace {

/// Rows of a step to come.
struct Portion {
  std::int64_t step = 0;
  Rows rows;
  Batch batch;
  bool done = false;
  std::exception_ptr error;
};

/// Fills portions one after another in a thread of its own.
class Filler {
 public:
  explicit Filler(const RowData& data) : data_(data), thread_([this] { run(); }) {}
  ~Filler() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Filler(const Filler&) = delete;
  Filler& operator=(const Filler&) = delete;

  /// Drops what is of neither step and adds empty portions.
  void renew(std::int64_t step, std::vector<std::shared_ptr<Portion>> portions) {
    const std::lock_guard lock(mutex_);
    std::erase_if(portions_, [step](const auto& portion) { return portion->step != step; });
    for (auto& portion : portions) portions_.push_back(std::move(portion));
    changed_.notify_all();
  }

  /// Takes out the portion of these rows, filled; null when it is none of those added.
  std::shared_ptr<Portion> take(std::int64_t step, const Rows& rows) {
    std::unique_lock lock(mutex_);
    const auto found = std::find_if(portions_.begin(), portions_.end(), [&](const auto& portion) {
      return portion->step == step && portion->rows == rows;
    });
    if (found == portions_.end()) return nullptr;
    const std::shared_ptr<Portion> portion = *found;
    changed_.wait(lock, [&] { return portion->done; });
    std::erase(portions_, portion);
    return portion;
  }

 private:
  std::shared_ptr<Portion> next() const {
    for (const auto& portion : portions_)
      if (!portion->done) return portion;
    return nullptr;
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return ending_ || next() != nullptr; });
      if (ending_) return;
      const std::shared_ptr<Portion> portion = next();
      lock.unlock();
      try {
        data_.fill(portion->step, portion->rows.begin, portion->rows.end, portion->batch);
      } catch (...) {
        portion->error = std::current_exception();
      }
      lock.lock();
      portion->done = true;
      changed_.notify_all();
    }
  }

  const RowData& data_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Portion>> portions_;
  bool ending_ = false;
  std::thread thread_;  // the last member: it uses the others
};

class PrefetchedData final : public Data {
 public:
  explicit PrefetchedData(std::unique_ptr<const RowData> data) : data_(std::move(data)), filler_(*data_) {}

  GlobalBatch training_batch(std::int64_t step) const override {
    begin(step);
    return {data_->rows(), [this, step](std::int64_t begin, std::int64_t end) {
              return slice(step, {begin, end});
            }};
  }
  GlobalBatch validation_batch(std::int64_t index) const override { return data_->validation_batch(index); }
  std::int64_t validation_batches() const override { return data_->validation_batches(); }

 private:
  void begin(std::int64_t step) const {
    if (step == step_) return;
    std::vector<std::shared_ptr<Portion>> portions;
    for (const Rows& rows : asked_)
      portions.push_back(
          std::make_shared<Portion>(Portion{step + 1, rows, data_->allocate(rows.count()), false, nullptr}));
    step_ = step;
    asked_.clear();
    filler_.renew(step, std::move(portions));
  }

  Batch slice(std::int64_t step, const Rows& rows) const {
    if (step == step_ && std::find(asked_.begin(), asked_.end(), rows) == asked_.end())
      asked_.push_back(rows);
    if (const std::shared_ptr<Portion> portion = filler_.take(step, rows)) {
      if (portion->error) std::rethrow_exception(portion->error);
      return portion->batch;
    }
    Batch batch = data_->allocate(rows.count());
    data_->fill(step, rows.begin, rows.end, batch);
    return batch;
  }

  std::unique_ptr<const RowData> data_;
  mutable Filler filler_;
  // One thread trains; only the filler meets another.
  mutable std::int64_t step_ = -1;
  mutable std::vector<Rows> asked_;  ///< in step step_
};

}  // namespace

std::unique_ptr<Data> prefetched(std::unique_ptr<const RowData> data) {
  return std::make_unique<PrefetchedData>(std::move(data));
}

}  // namespace saturn
