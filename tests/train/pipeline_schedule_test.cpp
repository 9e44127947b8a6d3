// SPDX-License-Identifier: Apache-2.0
#include "train/pipeline_schedule.h"

#include <algorithm>
#include <doctest/doctest.h>
#include <limits>
#include <random>

using namespace saturn;

namespace {

using Kind = PipelineAction::Kind;
using Schedules = std::vector<std::vector<PipelineAction>>;

Schedules schedules(PipelineOrder order, int stages, int micros) {
  Schedules all;
  for (int stage = 0; stage < stages; ++stage) all.push_back(pipeline_schedule(order, stage, stages, micros));
  return all;
}

/// What an action moves to ("A3": activation of micro-batch 3) and from a neighbour.
struct Transfer {
  int peer = -1;
  std::string sent, received;
};

Transfer transfer_of(const PipelineAction& action, int stage) {
  const std::string micro = std::to_string(action.micro), other = std::to_string(action.other);
  switch (action.kind) {
    case Kind::kReceiveActivation:
      return {stage - 1, "", "A" + micro};
    case Kind::kSendActivation:
      return {stage + 1, "A" + micro, ""};
    case Kind::kReceiveGradient:
      return {stage + 1, "", "G" + micro};
    case Kind::kSendGradient:
      return {stage - 1, "G" + micro, ""};
    case Kind::kSwapWithNext:
      return {stage + 1, "A" + micro, "G" + other};
    case Kind::kSwapWithPrevious:
      return {stage - 1, "G" + micro, "A" + other};
    default:
      return {};
  }
}

/// Plays the schedules with transfers that wait for their counterpart; what went wrong, or "".
std::string play(const Schedules& all) {
  std::vector<std::size_t> at(all.size());
  bool moved = true;
  while (moved) {
    moved = false;
    for (std::size_t s = 0; s < all.size(); ++s) {
      while (at[s] < all[s].size() && transfer_of(all[s][at[s]], static_cast<int>(s)).peer < 0)
        ++at[s], moved = true;
      if (at[s] == all[s].size()) continue;
      const Transfer mine = transfer_of(all[s][at[s]], static_cast<int>(s));
      const auto peer = static_cast<std::size_t>(mine.peer);
      if (peer >= all.size() || at[peer] == all[peer].size()) continue;
      const Transfer theirs = transfer_of(all[peer][at[peer]], mine.peer);
      if (theirs.peer != static_cast<int>(s)) continue;
      if (mine.sent != theirs.received || mine.received != theirs.sent) return "mismatch";
      ++at[s], ++at[peer], moved = true;
    }
  }
  for (std::size_t s = 0; s < all.size(); ++s)
    if (at[s] != all[s].size()) return "stage " + std::to_string(s) + " waits for ever";
  return "";
}

/// The most micro-batches between their forward and their backward pass.
int most_in_flight(const std::vector<PipelineAction>& actions) {
  int now = 0, most = 0;
  for (const PipelineAction& action : actions) {
    if (action.kind == Kind::kForward) most = std::max(most, ++now);
    if (action.kind == Kind::kBackward) --now;
  }
  return most;
}

double slowest_of(const std::vector<double>& seconds, const std::vector<std::size_t>& counts) {
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

TEST_CASE("stages' transfers match one to one and nobody waits for ever") {
  for (const PipelineOrder order : {PipelineOrder::kGpipe, PipelineOrder::k1F1B})
    for (int stages = 1; stages <= 6; ++stages)
      for (int micros = 1; micros <= 9; ++micros) {
        CAPTURE(stages);
        CAPTURE(micros);
        CHECK(play(schedules(order, stages, micros)) == "");
      }
}

TEST_CASE("every micro-batch goes forward and backward once, in order") {
  for (const PipelineOrder order : {PipelineOrder::kGpipe, PipelineOrder::k1F1B})
    for (const auto& actions : schedules(order, 4, 7)) {
      int forward = 0, backward = 0;
      for (const PipelineAction& action : actions) {
        if (action.kind == Kind::kForward) CHECK(action.micro == forward++);
        if (action.kind == Kind::kBackward) {
          CHECK(action.micro < forward);
          CHECK(action.micro == backward++);
        }
      }
      CHECK(forward == 7);
      CHECK(backward == 7);
    }
}

TEST_CASE("1F1B holds as many micro-batches as there are stages from here on, GPipe all") {
  for (int stage = 0; stage < 4; ++stage) {
    CHECK(most_in_flight(pipeline_schedule(PipelineOrder::k1F1B, stage, 4, 9)) == 4 - stage);
    CHECK(most_in_flight(pipeline_schedule(PipelineOrder::kGpipe, stage, 4, 9)) == 9);
  }
}

TEST_CASE("a chain is divided so that the slowest stage takes the least time") {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> seconds_of(0.1, 3);
  for (int round = 0; round < 300; ++round) {
    std::vector<double> seconds(1 + random() % 9);
    for (double& value : seconds) value = seconds_of(random);
    const std::size_t stages = 1 + random() % 4;
    const std::vector<std::size_t> counts = balance_stages(seconds, stages, always);
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
  CHECK(balance_stages({1, 1, 1, 1, 9}, 3, at_most_two) == std::vector<std::size_t>{2, 2, 1});
  CHECK(balance_stages({1, 1, 1, 1, 9}, 2, at_most_two).empty());
}
