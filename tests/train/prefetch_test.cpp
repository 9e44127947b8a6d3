// SPDX-License-Identifier: Apache-2.0
#include "train/prefetch.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <atomic>
#include <doctest/doctest.h>
#include <filesystem>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

namespace saturn::prefetch_test {

namespace {

/// What a source was asked for, and by whom.
struct Notes {
  std::mutex mutex;
  std::set<std::thread::id> threads;
  std::atomic<int> rows = 0;
};

/// Row r is the number r; row `bad` throws.
class Numbers final : public RowSource {
 public:
  explicit Numbers(Notes* notes = nullptr, std::int64_t bad = -1) : notes_(notes), bad_(bad) {}
  Batch allocate(std::int64_t rows) const override {
    return {at::empty({rows}, at::kLong), at::empty({rows}, at::kLong)};
  }
  void write(Part, std::int64_t row, Batch& batch, std::int64_t to) const override {
    if (row == bad_) throw std::runtime_error("row " + std::to_string(row) + " is bad");
    if (notes_ != nullptr) {
      ++notes_->rows;
      const std::lock_guard lock(notes_->mutex);
      notes_->threads.insert(std::this_thread::get_id());
    }
    batch.inputs.mutable_data_ptr<std::int64_t>()[to] = row;
    batch.targets.mutable_data_ptr<std::int64_t>()[to] = row + 1;
  }

 private:
  Notes* notes_;
  std::int64_t bad_;
};

std::unique_ptr<RowData> numbers(Notes* notes = nullptr, std::int64_t bad = -1) {
  TaskSpec task;
  task.batch_size = 8;
  task.seed = 3;
  return std::make_unique<RowData>(task, split_data(100, 0.2, 0), std::make_unique<Numbers>(notes, bad));
}

int threads_of_process() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) ++count;
  return count;
}

}  // namespace

TEST_CASE("batches are the same with rows made ahead and without") {
  const auto plain = numbers();
  const auto ahead = prefetched(numbers());
  // Ranks ask for parts, in changing ways, for steps again, and for steps that do not follow.
  for (const std::int64_t step : {0, 1, 2, 3, 3, 7, 8, 0, 1, 2}) {
    const GlobalBatch expected = plain->training_batch(step), batch = ahead->training_batch(step);
    CHECK(batch.rows() == 8);
    const std::int64_t cut = step < 5 ? 4 : 3;
    for (const auto& [begin, end] :
         {std::pair<std::int64_t, std::int64_t>{0, cut}, {cut, 8}, {0, 8}, {0, cut}}) {
      CHECK(at::equal(batch.slice(begin, end).inputs, expected.slice(begin, end).inputs));
      CHECK(at::equal(batch.slice(begin, end).targets, expected.slice(begin, end).targets));
    }
    CHECK(ahead->validation_batches() == plain->validation_batches());
    CHECK(at::equal(ahead->validation_batch(1).slice(2, 5).inputs,
                    plain->validation_batch(1).slice(2, 5).inputs));
  }
}

TEST_CASE("the rows of the next step are made by another thread") {
  Notes notes;
  const auto ahead = prefetched(numbers(&notes));
  for (std::int64_t step = 0; step < 2; ++step) (void)ahead->training_batch(step).slice(0, 4);
  // At step 1 the slice of step 2 is known: it is asked for here, and was made there.
  const Batch batch = ahead->training_batch(2).slice(0, 4);
  CHECK(at::equal(batch.inputs, numbers()->training_batch(2).slice(0, 4).inputs));
  const std::lock_guard lock(notes.mutex);
  CHECK(notes.threads.size() == 2);
}

TEST_CASE("what making rows ahead throws comes out where they are asked for") {
  const std::int64_t bad = numbers()->training_batch(2).slice(1, 2).inputs[0].item<std::int64_t>();
  const auto ahead = prefetched(numbers(nullptr, bad));
  (void)ahead->training_batch(0).slice(0, 4);
  (void)ahead->training_batch(1).slice(0, 4);
  const GlobalBatch batch = ahead->training_batch(2);
  CHECK_THROWS_WITH_AS((void)batch.slice(0, 4), ("row " + std::to_string(bad) + " is bad").c_str(),
                       std::runtime_error);
  CHECK_NOTHROW((void)batch.slice(2, 4));
  CHECK_NOTHROW((void)ahead->training_batch(3).slice(0, 4));
}

TEST_CASE("no thread is left behind") {
  const int before = threads_of_process();
  for (int i = 0; i < 3; ++i) {
    const auto ahead = prefetched(numbers());
    (void)ahead->training_batch(0).slice(0, 8);
    (void)ahead->training_batch(1);
    CHECK(threads_of_process() == before + 1);
  }
  CHECK(threads_of_process() == before);
}

}  // namespace saturn::prefetch_test
