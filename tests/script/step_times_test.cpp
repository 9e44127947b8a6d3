// SPDX-License-Identifier: Apache-2.0
#include "script/step_times.h"

#include <doctest/doctest.h>

namespace saturn::step_times_test {

namespace {

ProfileSettings settings() {
  ProfileSettings s;
  s.trial_seconds = 1, s.warmup_steps = 2, s.min_steps = 3, s.max_steps = 10, s.unstable_spread = 0.1;
  return s;
}

}  // namespace

TEST_CASE("the first report has the start-up in it; later ones tell the time of a step") {
  StepClock clock(100);
  CHECK_FALSE(clock.reported());
  CHECK_FALSE(clock.step(10, 105).has_value());
  CHECK(clock.seconds_to_first_step() == 5);
  const auto interval = clock.step(14, 107);
  REQUIRE(interval.has_value());
  CHECK(interval->steps == 4);
  CHECK(interval->step_seconds == 0.5);
  CHECK(clock.last_step() == 14);
}

TEST_CASE("validations and checkpoints do not count as steps") {
  StepClock clock(0);
  (void)clock.step(1, 1);
  CHECK(clock.other(4) == 3);
  CHECK(clock.step(2, 5)->step_seconds == 1);
}

TEST_CASE("a number that does not rise is noticed and tells no time") {
  StepClock clock(0);
  (void)clock.step(5, 1);
  CHECK_FALSE(clock.step(5, 2).has_value());
  CHECK_FALSE(clock.step(1, 3).has_value());
  CHECK(clock.went_back());
  CHECK(clock.step(6, 5)->step_seconds == 2);
}

TEST_CASE("a trial drops its warm-up and ends with enough steps and time") {
  TrialTimes times(settings());
  CHECK(times.empty());
  for (int i = 0; i < 2; ++i) times.add({1, 9});
  CHECK_FALSE(times.empty());
  for (int i = 0; i < 3; ++i) {
    CHECK_FALSE(times.enough());
    times.add({1, 0.4});
  }
  CHECK(times.enough());
  const Measured measured = times.measured();
  CHECK(measured.step_seconds == doctest::Approx(0.4));
  CHECK(measured.steps == 3);
  CHECK(measured.spread == doctest::Approx(0));
  CHECK_FALSE(measured.unstable);
}

TEST_CASE("many quick steps end a trial, and spread-out times make it longer, then unstable") {
  TrialTimes quick(settings());
  for (int i = 0; i < 12; ++i) quick.add({1, 0.001});
  CHECK(quick.enough());
  TrialTimes uneven(settings());
  uneven.add({2, 1});
  for (int i = 0; i < 3; ++i) uneven.add({1, i == 0 ? 1.0 : 0.25});
  CHECK_FALSE(uneven.enough());
  uneven.add({1, 0.5});
  CHECK(uneven.enough());
  CHECK(uneven.measured().unstable);
}

TEST_CASE("a script that ends early is measured by what there is") {
  TrialTimes times(settings());
  times.add({1, 3});
  CHECK_FALSE(times.enough());
  CHECK(times.measured().step_seconds == 3);
}

}  // namespace saturn::step_times_test
