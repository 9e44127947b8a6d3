// SPDX-License-Identifier: Apache-2.0
#include "train/metrics.h"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>

#include "temporary_directory.h"

namespace saturn::metrics_test {

namespace {

const std::string kThreeSteps =
    R"({"step":1,"loss":3.5,"lr":0.1,"gradient_norm":1.0,"step_seconds":0.5,"samples_per_second":8.0,"tokens_per_second":64.0})"
    "\n"
    R"({"step":2,"loss":2.5,"lr":0.1,"gradient_norm":null,"step_seconds":0.5,"samples_per_second":8.0,"tokens_per_second":64.0})"
    "\n"
    R"({"step":2,"validation_loss":2.75})"
    "\n"
    R"({"step":3,"loss":1.5,"lr":0.1,"gradient_norm":1.0,"step_seconds":0.5,"samples_per_second":8.0,"tokens_per_second":64.0})"
    "\n";

void write_three_steps(const std::filesystem::path& path) {
  MetricsFile metrics(path, 0, false);
  CHECK(!metrics.last_loss());
  metrics.add({1, 3.5, 0.1, 1, 0.5, 8, 64});
  metrics.add({2, 2.5, 0.1, std::numeric_limits<double>::quiet_NaN(), 0.5, 8, 64});
  metrics.add_validation(2, 2.75);
  metrics.add({3, 1.5, 0.1, 1, 0.5, 8, 64});
  CHECK(*metrics.last_loss() == 1.5);
}

}  // namespace

TEST_CASE("metrics are a line of JSON for each step and validation") {
  const test::TemporaryDirectory directory;
  write_three_steps(directory / "metrics.jsonl");
  CHECK(read_file(directory / "metrics.jsonl") == kThreeSteps);
}

TEST_CASE("samples that are no sequences have no tokens") {
  const test::TemporaryDirectory directory;
  MetricsFile(directory / "metrics.jsonl", 0, false).add({1, 3.5, 0.1, 1, 0.5, 8, 0});
  CHECK(read_file(directory / "metrics.jsonl") ==
        "{\"step\":1,\"loss\":3.5,\"lr\":0.1,\"gradient_norm\":1.0,\"step_seconds\":0.5,"
        "\"samples_per_second\":8.0}\n");
}

TEST_CASE("metrics beyond the step that is resumed, and half a line, are cut off") {
  const test::TemporaryDirectory directory;
  const auto path = directory / "metrics.jsonl";
  write_three_steps(path);
  write_file_atomically(path, kThreeSteps + R"({"step":4,"lo)");
  const std::size_t third = kThreeSteps.find(R"({"step":3)");

  SUBCASE("after the last whole step") {
    const MetricsFile metrics(path, 3, false);
    CHECK(read_file(path) == kThreeSteps);
    CHECK(*metrics.last_loss() == 1.5);
    CHECK(metrics.earlier_validations() == std::vector<ValidationPoint>{{2, 2.75}});
  }
  SUBCASE("after the second step, with its validation") {
    const MetricsFile metrics(path, 2, false);
    CHECK(read_file(path) == kThreeSteps.substr(0, third));
    CHECK(*metrics.last_loss() == 2.5);
  }
  SUBCASE("after the second step, whose validation is made again") {
    const MetricsFile metrics(path, 2, true);
    CHECK(read_file(path) == kThreeSteps.substr(0, kThreeSteps.find(R"({"step":2,"validation)")));
    CHECK(metrics.earlier_validations().empty());
  }
  SUBCASE("from the beginning") {
    MetricsFile metrics(path, 0, false);
    CHECK(read_file(path).empty());
    CHECK(!metrics.last_loss());
  }
}

TEST_CASE("earlier validations come back bit by bit, in their order") {
  const test::TemporaryDirectory directory;
  const auto path = directory / "metrics.jsonl";
  {
    MetricsFile metrics(path, 0, false);
    metrics.add_validation(10, 1.0 / 3);
    metrics.add_validation(20, std::numeric_limits<double>::infinity());
    metrics.add_validation(30, 1e-300);
    CHECK(metrics.earlier_validations().empty());
  }
  const MetricsFile metrics(path, 30, false);
  REQUIRE(metrics.earlier_validations().size() == 3);
  CHECK(metrics.earlier_validations()[0] == ValidationPoint{10, 1.0 / 3});
  CHECK(std::isnan(metrics.earlier_validations()[1].loss));
  CHECK(metrics.earlier_validations()[2] == ValidationPoint{30, 1e-300});
}

}  // namespace saturn::metrics_test
