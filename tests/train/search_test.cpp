// SPDX-License-Identifier: Apache-2.0
#include "train/search.h"

#include <doctest/doctest.h>

#include "train/rows.h"

namespace saturn::search_test {

namespace {

Candidate candidate(const std::string& name, double seconds, Bytes memory) {
  return {{{"name", name}}, seconds, memory};
}

std::string names_of(const SearchOrder& order) {
  std::string names;
  for (const Candidate& candidate : order.to_try) names += candidate.knobs.at("name");
  return names;
}

}  // namespace

TEST_CASE("candidates are tried fastest guess first, equal guesses in the order given") {
  const SearchOrder order = order_candidates(
      {candidate("a", 3, 0), candidate("b", 1, 0), candidate("c", 2, 0), candidate("d", 1, 0)}, 0);
  CHECK(names_of(order) == "bdca");
  CHECK(order.hopeless.empty());
}

TEST_CASE("what passes the budget by more than the guess can be wrong is not tried") {
  const SearchOrder order =
      order_candidates({candidate("a", 1, 3000), candidate("b", 2, 1050), candidate("c", 3, 0)}, 1000);
  CHECK(names_of(order) == "bc");
  REQUIRE(order.hopeless.size() == 1);
  CHECK(order.hopeless[0].second ==
        "not tried: by its cost model it needs 2.93 KiB, and the device has 1000 B");
}

TEST_CASE("what is guessed to take much longer than what was measured is not tried") {
  CHECK(worth_trying(candidate("a", 1.15, 0), candidate("b", 1, 0)));
  CHECK_FALSE(worth_trying(candidate("a", 3, 0), candidate("b", 1, 0)));
  CHECK(worth_trying(candidate("a", 3, 0), candidate("b", 0, 0)));
}

TEST_CASE("rows that do not divide are no even shares") {
  TaskSpec task;
  task.batch_size = 8;
  CHECK(uneven_share(task, 4) == "");
  CHECK(uneven_share(task, 3) == "a batch of 8 rows cannot be split evenly over 3 devices");
}

TEST_CASE("rows are dealt out evenly and in micro-batches") {
  CHECK(rows_of_rank(8, 1, 4) == Rows{2, 4});
  CHECK((micro_batches({2, 7}, 2) == std::vector<Rows>{{2, 4}, {4, 6}, {6, 7}}));
  TaskSpec task;
  CHECK(micro_batch_rows(task, {}, 8) == 8);
  CHECK(micro_batch_rows(task, {{"micro_batch", "1/4"}}, 8) == 2);
  CHECK(micro_batch_rows(task, {{"micro_batch", "1/4"}}, 2) == 1);
  CHECK(knob_settings(task, {{"depth", {"1", "2"}}, {"micro_batch", {"all", "1/2", "1/4"}}}, 2) ==
        std::vector<Knobs>{{{"depth", "1"}, {"micro_batch", "all"}},
                           {{"depth", "1"}, {"micro_batch", "1/2"}},
                           {{"depth", "2"}, {"micro_batch", "all"}},
                           {{"depth", "2"}, {"micro_batch", "1/2"}}});
  CHECK(accumulation_factor(8, 8) == 1);
  CHECK(accumulation_factor(8, 2) == 1.5);
  task.micro_batch_size = 3;
  CHECK(micro_batch_rows(task, {{"micro_batch", "1/4"}}, 8) == 3);
  CHECK(knob_settings(task, {{"micro_batch", {"all", "1/2"}}}, 8) == std::vector<Knobs>{Knobs{}});
}

}  // namespace saturn::search_test
