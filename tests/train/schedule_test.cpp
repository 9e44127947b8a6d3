// SPDX-License-Identifier: Apache-2.0
#include "train/schedule.h"

#include <doctest/doctest.h>
#include <vector>

using saturn::learning_rate;
using saturn::Schedule;

namespace {

struct Row {
  Schedule schedule;
  std::int64_t step;
  std::int64_t total;
  double expected;
};

}  // namespace

TEST_CASE("the learning rate follows its schedule") {
  const std::vector<Row> rows{
      {{"constant", 0, 0}, 0, 10, 0.8},   {{"constant", 0, 0}, 9, 10, 0.8},
      {{"constant", 4, 0}, 0, 10, 0.2},   {{"constant", 4, 0}, 3, 10, 0.8},
      {{"constant", 4, 0}, 4, 10, 0.8},   {{"linear", 0, 0}, 0, 11, 0.8},
      {{"linear", 0, 0}, 5, 11, 0.4},     {{"linear", 0, 0}, 10, 11, 0.0},
      {{"linear", 0, 0.25}, 10, 11, 0.2}, {{"linear", 0, 0.25}, 5, 11, 0.5},
      {{"linear", 2, 0.25}, 1, 13, 0.8},  {{"linear", 2, 0.25}, 2, 13, 0.8},
      {{"linear", 2, 0.25}, 7, 13, 0.5},  {{"linear", 2, 0.25}, 12, 13, 0.2},
      {{"cosine", 0, 0}, 0, 11, 0.8},     {{"cosine", 0, 0}, 5, 11, 0.4},
      {{"cosine", 0, 0}, 10, 11, 0.0},    {{"cosine", 4, 0.5}, 0, 13, 0.2},
      {{"cosine", 4, 0.5}, 4, 13, 0.8},   {{"cosine", 4, 0.5}, 8, 13, 0.6},
      {{"cosine", 4, 0.5}, 12, 13, 0.4},  {{"cosine", 20, 0}, 9, 10, 0.4},
      {{"linear", 10, 0.1}, 9, 10, 0.8},  {{"linear", 0, 0.5}, 0, 1, 0.4},
      {{"cosine", 0, 0.5}, 25, 11, 0.4},
  };
  for (const Row& row : rows) {
    CAPTURE(row.schedule.kind);
    CAPTURE(row.step);
    CHECK(learning_rate(row.schedule, 0.8, row.step, row.total) ==
          doctest::Approx(row.expected).epsilon(1e-12));
  }
}

TEST_CASE("a cosine schedule falls at every step after the warm-up and never below its end") {
  const Schedule schedule{"cosine", 5, 0.1};
  for (std::int64_t step = 5; step < 99; ++step) {
    CHECK(learning_rate(schedule, 1, step + 1, 100) < learning_rate(schedule, 1, step, 100));
    CHECK(learning_rate(schedule, 1, step + 1, 100) >= 0.1);
  }
}
