// SPDX-License-Identifier: Apache-2.0
#include "train/stage_split.h"

#include <algorithm>
#include <doctest/doctest.h>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>

namespace saturn::stage_split_test {

namespace {

double slowest_of(const std::vector<double>& seconds, const StageSplit& counts) {
  double slowest = 0;
  std::size_t begin = 0;
  for (const std::size_t count : counts) {
    double sum = 0;
    for (std::size_t i = begin; i < begin + count; ++i) sum += seconds[i];
    slowest = std::max(slowest, sum);
    begin += count;
  }
  return slowest;
}

/// The best of all divisions.
double best_by_trying(const std::vector<double>& seconds, std::size_t begin, std::size_t stages) {
  if (stages == 1) {
    double sum = 0;
    for (std::size_t i = begin; i < seconds.size(); ++i) sum += seconds[i];
    return begin < seconds.size() ? sum : std::numeric_limits<double>::infinity();
  }
  double best = std::numeric_limits<double>::infinity(), sum = 0;
  for (std::size_t end = begin + 1; end < seconds.size(); ++end) {
    sum += seconds[end - 1];
    best = std::min(best, std::max(sum, best_by_trying(seconds, end, stages - 1)));
  }
  return best;
}

bool always(std::size_t, std::size_t, std::size_t) {
  return true;
}

}  // namespace

TEST_CASE("a split is read as it is written") {
  CHECK(split_from("3+4", 7, 2) == StageSplit{3, 4});
  CHECK(to_text(split_from("1+1+5", 7, 3)) == "1+1+5");
  CHECK(to_text(split_from("7", 7, 1)) == "7");
}

TEST_CASE("auto is as even as can be") {
  CHECK(split_from("auto", 8, 4) == StageSplit{2, 2, 2, 2});
  for (std::size_t blocks = 1; blocks <= 20; ++blocks)
    for (std::size_t stages = 1; stages <= blocks; ++stages) {
      const StageSplit split = split_from("auto", blocks, stages);
      const auto [least, most] = std::minmax_element(split.begin(), split.end());
      CHECK(*most - *least <= 1);
    }
}

TEST_CASE("a split that does not divide the chain is refused, and one that does is shown") {
  for (const char* text :
       {"", "x", "3+x", "3+", "+4", "0+7", "3+5", "7", "2+2+3", "-3+10", "3+4x", "18446744073709551612+11"}) {
    CAPTURE(text);
    CHECK_THROWS_WITH_AS(
        split_from(text, 7, 2),
        (std::string("split '") + text +
         "' does not divide the model's 7 blocks among 2 devices (as '3+4' does 7 blocks among 2)")
            .c_str(),
        std::invalid_argument);
  }
  CHECK_THROWS_AS(split_from("auto", 1, 2), std::invalid_argument);
}

TEST_CASE("a chain is divided so that the slowest stage takes the least time") {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> seconds_of(0.1, 3);
  for (int round = 0; round < 300; ++round) {
    std::vector<double> seconds(1 + random() % 9);
    for (double& value : seconds) value = seconds_of(random);
    const std::size_t stages = 1 + random() % 4;
    const StageSplit counts = balance_stages(seconds, stages, always);
    if (stages > seconds.size()) {
      CHECK(counts.empty());
      continue;
    }
    REQUIRE(counts.size() == stages);
    CHECK(std::find(counts.begin(), counts.end(), 0U) == counts.end());
    CHECK(slowest_of(seconds, counts) == doctest::Approx(best_by_trying(seconds, 0, stages)));
  }
}

TEST_CASE("a stage that does not fit is no stage") {
  const auto at_most_two = [](std::size_t begin, std::size_t end, std::size_t) { return end - begin <= 2; };
  CHECK(balance_stages({1, 1, 1, 1, 9}, 3, at_most_two) == StageSplit{2, 2, 1});
  CHECK(balance_stages({1, 1, 1, 1, 9}, 2, at_most_two).empty());
}

}  // namespace saturn::stage_split_test
