// SPDX-License-Identifier: Apache-2.0
#include "launch/event.h"

#include <cmath>
#include <doctest/doctest.h>

namespace saturn::event_test {
namespace {

/// Writes the event, reads it back, and returns both as lines: equal when nothing is lost.
void check_round_trip(const Event& event, const std::string& line) {
  CHECK(to_line(event) == line + "\n");
  const auto read = parse_event(line);
  REQUIRE(read.has_value());
  CHECK(to_line(*read) == line + "\n");
}

TEST_CASE("every event is one line of JSON that reads back the same") {
  check_round_trip(Ready{7, 0.5}, R"({"event":"ready","step":7,"startup_seconds":0.5})");
  check_round_trip(StepDone{8, 2.25, 0.125}, R"({"event":"step","step":8,"loss":2.25,"step_seconds":0.125})");
  check_round_trip(Validating{9, 3, 7}, R"({"event":"validating","step":9,"batch":3,"batches":7})");
  check_round_trip(Validated{9, 2, 0.5}, R"({"event":"validated","step":9,"loss":2.0,"seconds":0.5})");
  check_round_trip(
      Checkpointed{9, "/c/9", 0.5, 100, 0.25},
      R"({"event":"checkpointed","step":9,"path":"/c/9","seconds":0.5,"bytes":100,"held_seconds":0.25})");
  check_round_trip(CheckpointFailed{9, "disk full"},
                   R"({"event":"checkpoint_failed","step":9,"message":"disk full"})");
  check_round_trip(CheckpointSkipped{"it is damaged"},
                   R"({"event":"checkpoint_skipped","message":"it is damaged"})");
  check_round_trip(TrialDone{}, R"({"event":"trial_done"})");
  check_round_trip(Stopped{3}, R"({"event":"stopped","step":3})");
  check_round_trip(
      Finished{3, 1.5, 1.75, "/w"},
      R"({"event":"finished","step":3,"training_loss":1.5,"validation_loss":1.75,"weights":"/w"})");
  check_round_trip(Finished{3, 1.5, 1.75, "", "1 h of training is used up"},
                   R"({"event":"finished","step":3,"training_loss":1.5,"validation_loss":1.75,"weights":"",)"
                   R"("why":"1 h of training is used up"})");
  check_round_trip(Failed{Failed::Reason::kOutOfMemory, "no"},
                   R"({"event":"failed","reason":"out_of_memory","message":"no"})");
  check_round_trip(
      CandidateTried{{{"bucket_mb", "25"}}, NotApplicable{"why"}},
      R"({"event":"candidate","knobs":{"bucket_mb":"25"},"outcome":"not_applicable","why":"why"})");
  check_round_trip(CandidateTried{{}, OutOfMemory{"1 MiB over"}},
                   R"({"event":"candidate","knobs":{},"outcome":"out_of_memory","message":"1 MiB over"})");
  check_round_trip(CandidateTried{{}, TrialFailed{"why", "tail"}},
                   R"({"event":"candidate","knobs":{},"outcome":"failed","why":"why","log_tail":"tail"})");
}

TEST_CASE("what was measured survives the way through a line") {
  const Measured measured{0.25, 0.01, 12, 1 << 20, 0.5, 0.125, 0.0625, true};
  const auto read = parse_event(to_line(CandidateTried{{}, measured}));
  REQUIRE(read.has_value());
  CHECK(std::get<CandidateTried>(*read).outcome == Outcome(measured));
}

TEST_CASE("a loss that is not a number travels as null") {
  const std::string line = to_line(StepDone{1, std::nan(""), 0.5});
  CHECK(line == "{\"event\":\"step\",\"step\":1,\"loss\":null,\"step_seconds\":0.5}\n");
  CHECK(std::isnan(std::get<StepDone>(*parse_event(line)).loss));
}

TEST_CASE("a line that is no event is not taken for one") {
  for (const char* line : {"", "hello", "{", "{}", "[1]", R"({"event":"dance"})", R"({"event":"step"})",
                           R"({"event":"step","step":"x","loss":1,"step_seconds":1})", R"({"event":5})"}) {
    CAPTURE(line);
    CHECK_FALSE(parse_event(line).has_value());
  }
}

}  // namespace
}  // namespace saturn::event_test
