// SPDX-License-Identifier: Apache-2.0
#include "train/data_order.h"

#include <doctest/doctest.h>
#include <set>
#include <vector>

#include "workload/data_split.h"

namespace saturn::data_order_test {

namespace {

std::vector<std::uint64_t> order(std::uint64_t count, std::uint64_t seed, std::uint64_t epoch) {
  std::vector<std::uint64_t> result;
  for (std::uint64_t i = 0; i < count; ++i) result.push_back(shuffled(i, count, seed, epoch));
  return result;
}

bool is_permutation_of_range(const std::vector<std::uint64_t>& values) {
  const std::set<std::uint64_t> distinct(values.begin(), values.end());
  return distinct.size() == values.size() && *distinct.rbegin() == values.size() - 1;
}

}  // namespace

TEST_CASE("the shuffle is a permutation for every count, seed and epoch") {
  for (std::uint64_t count = 1; count <= 130; ++count)
    for (const std::uint64_t seed : {0ULL, 1ULL, ~0ULL})
      for (const std::uint64_t epoch : {0ULL, 7ULL})
        CHECK(is_permutation_of_range(order(count, seed, epoch)));
  for (const std::uint64_t count : {1023ULL, 1024ULL, 1025ULL, 65537ULL})
    CHECK(is_permutation_of_range(order(count, 42, 3)));
}

TEST_CASE("another seed or another epoch is another order") {
  CHECK(order(100, 1, 0) == order(100, 1, 0));
  CHECK(order(100, 1, 0) != order(100, 2, 0));
  CHECK(order(100, 1, 0) != order(100, 1, 1));
}

TEST_CASE("the shuffle leaves no trend: each tenth of the order visits each tenth of the items alike") {
  std::vector<int> counts(100, 0);
  const std::uint64_t count = 100'000;
  for (std::uint64_t i = 0; i < count; ++i) ++counts[i / 10'000 * 10 + shuffled(i, count, 5, 0) / 10'000];
  // 1000 expected in each cell; seven standard deviations of a random order are 210.
  for (const int cell : counts) {
    CHECK(cell > 790);
    CHECK(cell < 1210);
  }
}

TEST_CASE("a pass of batches visits every block once and the next pass goes on in the middle of a batch") {
  std::vector<std::int64_t> visits;
  for (std::int64_t step = 0; step < 14; ++step)
    for (std::int64_t row = 0; row < 3; ++row) visits.push_back(training_block(9, step, row, 3, 7));
  for (std::size_t pass = 0; pass < 6; ++pass) {
    const std::set<std::int64_t> seen(visits.begin() + static_cast<long>(7 * pass),
                                      visits.begin() + static_cast<long>(7 * pass + 7));
    CHECK(seen == std::set<std::int64_t>{0, 1, 2, 3, 4, 5, 6});
  }
}

TEST_CASE("a batch larger than the number of blocks wraps") {
  std::vector<int> counts(3, 0);
  for (std::int64_t row = 0; row < 9; ++row)
    ++counts[static_cast<std::size_t>(training_block(1, 4, row, 9, 3))];
  CHECK(counts == std::vector<int>{3, 3, 3});
  CHECK(training_block(1, 1'000'000, 5, 8, 1) == 0);
}

TEST_CASE("validation blocks are spread evenly and differ") {
  std::vector<std::int64_t> blocks;
  for (std::int64_t i = 0; i < 4; ++i) blocks.push_back(validation_block(i, 4, 10));
  CHECK(blocks == std::vector<std::int64_t>{0, 2, 5, 7});
  std::set<std::int64_t> all;
  for (std::int64_t i = 0; i < 10; ++i) all.insert(validation_block(i, 10, 10));
  CHECK(all.size() == 10);
}

TEST_CASE("a text is split into training tokens and the end that is held out") {
  const DataSplit split = split_data(1000, 0.1, 64);
  CHECK(split.training_size == 900);
  CHECK(split.validation_size == 100);
  CHECK(split.training_rows == 14);  // 899 tokens that have a next one
  CHECK(split.validation_rows == 1);
  CHECK(split_data(999, 0.1, 64).validation_size == 99);
  CHECK(split_data(65, 0, 64).training_rows == 1);
  CHECK(split_data(64, 0, 64).training_rows == 0);
  CHECK(split_data(0, 0.5, 64).training_size == 0);
}

TEST_CASE("epochs become steps by the training tokens") {
  const DataSplit split = split_data(1000, 0.1, 64);
  CHECK(steps_in_epochs(split, 1, 2, 64) == 7);
  CHECK(steps_in_epochs(split, 2, 2, 64) == 14);
  CHECK(steps_in_epochs(split, 0.5, 2, 64) == 3);
  CHECK(steps_in_epochs(split, 1, 1000, 64) == 1);
}

}  // namespace saturn::data_order_test
