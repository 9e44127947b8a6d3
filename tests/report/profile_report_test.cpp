// SPDX-License-Identifier: Apache-2.0
#include "report/profile_report.h"

#include <doctest/doctest.h>

#include "report/golden.h"

namespace saturn::profile_report_test {

namespace {

Measured measured(double step_seconds, double spread, bool unstable = false) {
  Measured result;
  result.step_seconds = step_seconds;
  result.spread = spread;
  result.peak_memory_bytes = 300 << 20;
  result.unstable = unstable;
  return result;
}

Profile example() {
  Profile profile;
  profile.hardware = "Fast Processor 9000; cpu: 2 devices of 1 core and 1 GiB";
  profile.tasks = {{"small-lr1", "a"}, {"small-lr2", "a"}, {"small-lr3", "a"}, {"large", "b"}};
  profile.trials = {
      {"a", "ddp", 1, "cpu", {{"bucket_mb", "25"}}, measured(0.0123, 0.012)},
      {"a", "ddp", 1, "cpu", {{"bucket_mb", "1"}}, measured(0.0151, 0.22, true)},
      {"a", "ddp", 2, "cpu", {{"bucket_mb", "25"}}, measured(0.0078, 0.3, true)},
      {"a", "fsdp", 2, "cpu", {}, TrialFailed{"rank 1 exited with code 3", "tail"}},
      {"b", "ddp", 1, "cpu", {}, OutOfMemory{"needs 2 GiB, the slot has 1 GiB"}},
      {"b", "ddp", 2, "cpu", {}, NotApplicable{"a batch of 3 does not\ndivide by 2"}},
      {"gone", "ddp", 1, "cpu", {}, measured(1.5, 0.01)},
  };
  return profile;
}

}  // namespace

TEST_CASE("the profile table shows every candidate and why some did not run") {
  test::check_golden("profile", profile_table(example(), {}));
}

TEST_CASE("the profile table is cut to the width and coloured where that is possible") {
  test::check_golden("profile_narrow_colour", profile_table(example(), {72, true}));
}

TEST_CASE("rows of gangs across nodes show nodes and devices on each") {
  Profile profile = example();
  profile.trials = {{"b", "ddp", 8, "cpu", {}, measured(0.5, 0.01), 2},
                    {"b", "fsdp", 8, "cpu", {}, OutOfMemory{"needs 2 GiB"}, 4}};
  const std::string table = profile_table(profile, {});
  CHECK(table.find(" 2 x 4 ") != std::string::npos);
  CHECK(table.find("large, fsdp, 8 devices over 4 nodes: out of memory: needs 2 GiB") != std::string::npos);
}

TEST_CASE("an empty profile says so") {
  CHECK(profile_table({}, {}) == "nothing is measured yet\n");
}

}  // namespace saturn::profile_report_test
