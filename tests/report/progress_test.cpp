// SPDX-License-Identifier: Apache-2.0
#include "report/progress.h"

#include <doctest/doctest.h>
#include <utility>

namespace saturn::progress_test {

namespace {

const std::string kErase = "\r\x1b[K";

struct Screen {
  ManualClock clock;
  std::string text;

  Progress::Output output() {
    return [this](std::string_view part) { text += part; };
  }
  /// What was written since the last call.
  std::string take() { return std::exchange(text, ""); }
};

}  // namespace

TEST_CASE("without a terminal a line is written per interval, and one at the end") {
  Screen screen;
  Progress progress(screen.clock, screen.output(), {});
  progress.update(0, "0/4 starting");
  CHECK(screen.take() == "0/4 starting\n");
  screen.clock.advance(Seconds(9));
  progress.update(0.25, "1/4 one");
  CHECK(screen.take() == "");
  screen.clock.advance(Seconds(1));
  progress.update(0.25, "1/4 one");
  CHECK(screen.take() == "1/4 one\n");
  progress.update(1, "4/4 all");
  CHECK(screen.take() == "4/4 all\n");
  progress.update(1, "4/4 all");
  CHECK(screen.take() == "");
  progress.message("a message");
  CHECK(screen.take() == "a message\n");
  progress.finish();
  CHECK(screen.take() == "");
}

TEST_CASE("a terminal has a bar that is drawn over itself and cleared at the end") {
  Screen screen;
  {
    Progress progress(screen.clock, screen.output(), {.terminal = true, .style = {60, false}});
    progress.update(0.25, "1/4 first");
    CHECK(screen.take() == kErase + "[######..................] 1/4 first");
    progress.update(0.25, "1/4 too soon");
    CHECK(screen.take() == "");
    screen.clock.advance(Seconds(0.2));
    progress.update(0.25, "1/4 later");
    CHECK(screen.take() == kErase + "[######..................] 1/4 later");
    progress.update(0.5, "2/4 a step forward");
    CHECK(screen.take() == kErase + "[############............] 2/4 a step forward");
    progress.message("done: first");
    CHECK(screen.take() ==
          kErase + "done: first\n" + kErase + "[############............] 2/4 a step forward");
  }
  CHECK(screen.take() == kErase);
}

TEST_CASE("the bar is cut to the width, one column short of it") {
  Screen screen;
  Progress progress(screen.clock, screen.output(), {.terminal = true, .style = {40, false}});
  progress.update(1, "4/4 a text that is\nmuch too long");
  CHECK(screen.take() == kErase + "[########################] 4/4 a text …");
}

TEST_CASE("colour is used only where the style allows it") {
  Screen screen;
  Progress progress(screen.clock, screen.output(), {.terminal = true, .style = {60, true}});
  progress.update(0.5, "1/2 half");
  CHECK(screen.take() == kErase + "[\x1b[32m############\x1b[0m............] 1/2 half");
}

TEST_CASE("nothing to do is an empty bar, not an error") {
  Screen screen;
  Progress progress(screen.clock, screen.output(), {.terminal = true, .style = {60, false}});
  progress.update(0, "0/0 ");
  CHECK(screen.take() == kErase + "[........................] 0/0 ");
}

}  // namespace saturn::progress_test
