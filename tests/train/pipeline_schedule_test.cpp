// SPDX-License-Identifier: Apache-2.0
#include "train/pipeline_schedule.h"

#include <algorithm>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace saturn::pipeline_schedule_test {

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

}  // namespace saturn::pipeline_schedule_test
