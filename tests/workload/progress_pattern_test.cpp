// SPDX-License-Identifier: Apache-2.0
#include "workload/progress_pattern.h"

#include <doctest/doctest.h>
#include <stdexcept>

namespace saturn::progress_pattern_test {

namespace {

using Found = std::map<std::string, std::string>;

std::string problem_of(const std::string& pattern) {
  try {
    ProgressPattern{pattern};
    return "";
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("named groups are found in a line, in both spellings") {
  const ProgressPattern pattern(R"(step (?<step>\d+)/(?P<steps>\d+).*loss[:=] *(?<loss>\S+))");
  CHECK(pattern.match("[info] step 12/100, lr 0.1, loss: 2.5") ==
        Found{{"step", "12"}, {"steps", "100"}, {"loss", "2.5"}});
  CHECK(pattern.match("step twelve").empty());
  CHECK(pattern.has("loss"));
  CHECK_FALSE(pattern.has("checkpoint"));
}

TEST_CASE("other groups, classes and escapes do not shift the names") {
  const ProgressPattern pattern(R"(\((a|b)(?:c)(?=[(d])[(d](x)?.(?<step>\d))");
  CHECK(pattern.match("((ac(-7") == Found{{"step", "7"}});
}

TEST_CASE("a group that is not there is left out; a long line is cut") {
  const ProgressPattern pattern(R"(^(?<step>\d+)(?: v(?<validation_loss>\S+))?)");
  CHECK(pattern.match("7") == Found{{"step", "7"}});
  CHECK(ProgressPattern("(?<step>[0-9]+)$").match(std::string(1'000'000, '1')).at("step").size() == 4096);
}

TEST_CASE("what is wrong with a pattern is said") {
  CHECK(problem_of("(?<stp>x)") == "there is no group 'stp' (did you mean 'step'?)");
  CHECK(problem_of("(?<colour>x)") ==
        "there is no group 'colour'; groups: step, steps, loss, validation_loss, checkpoint");
  CHECK(problem_of("(?<step>x)(?<step>y)") == "the group 'step' is there twice");
  CHECK(problem_of("(?<step>x") != "");
  CHECK(problem_of("(?<step") == "a group's name has no '>' after it");
  CHECK(problem_of("abc") == R"(it has no group with a name: write (?<step>\d+) around the step's number)");
}

}  // namespace saturn::progress_pattern_test
