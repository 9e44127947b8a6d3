// SPDX-License-Identifier: Apache-2.0
#include "report/live_view.h"

#include <doctest/doctest.h>

#include "report/golden.h"
#include "report/standing_lines.h"

namespace saturn::live_view_test {

namespace {

using Phase = TaskState::Phase;

/// Two nodes, five devices: a gang that trains, one that starts, one that saves its weights, a lost device.
struct Example {
  std::vector<TaskSpec> tasks;
  RunState state;
  Plan plan;
  std::map<std::string, int> devices{{"a", 4}, {"b", 3}};
  double now = 100;

  Example() {
    add("trains", {"a", {0, 1}}, 0, 200, 1000);
    add("starts", {"a", {2}}, 90, 50, 100);
    add("saves", {"b", {0}}, 0, 100, 400);
    add("next-on-a", {"a", {0, 1}}, 200, 40, 100);
    add("after-starts", {"a", {2}}, 300, 20, 100);
    add("done", {"b", {1}}, 0, 60, 10);
    start("trains", 0, Phase::kTraining);
    state.tasks["trains"].step = 400;
    state.tasks["trains"].live_step = 450;
    state.tasks["trains"].step_seconds = 0.25;
    start("starts", 90, Phase::kStarting);
    start("saves", 0, Phase::kFinished);
    state.tasks["saves"].step = 400;
    start("done", 0, Phase::kFinished);
    state.tasks["done"].holds_devices = false;
    state.lost.insert({"b", 2});
    state.plans.push_back({0, "first plan", 0, 250});
    state.session_seconds = 95;
  }

  void add(const std::string& name, std::pair<std::string, std::vector<int>> where, double at, double seconds,
           std::int64_t steps) {
    TaskSpec spec;
    spec.name = name;
    spec.steps = steps;
    tasks.push_back(spec);
    plan.assignments.push_back({.task = name,
                                .parallelism = "ddp",
                                .knobs = {},
                                .node = where.first,
                                .devices = where.second,
                                .start_seconds = at,
                                .duration_seconds = seconds});
  }
  void start(const std::string& name, double at, Phase phase) {
    for (const Assignment& line : plan.assignments) {
      if (line.task != name) continue;
      TaskState& task = state.tasks[name];
      task.gang = GangStarted{at, name, "ddp", {}, line.node, line.devices, line.duration_seconds};
      task.planned_seconds = line.duration_seconds;
      task.holds_devices = true;
      task.phase = phase;
      task.starts = 1;
    }
  }
  LiveRun run() const { return {tasks, state, plan, devices, now}; }
};

std::string shown(const Example& example, const Style& style, int height) {
  std::string text;
  for (const std::string& line : live_view(example.run(), style, height)) text += line + "\n";
  return text;
}

}  // namespace

TEST_CASE("the live view shows the whole, and every device with what runs on it") {
  test::check_golden("live", shown({}, {}, 40));
}

TEST_CASE("devices that trials have are not idle") {
  Example example;
  example.state.measuring["b"] = {1};
  const auto lines = live_view(example.run(), {}, 40);
  const auto says = [&](const std::string& text) {
    return std::any_of(lines.begin(), lines.end(),
                       [&](const std::string& line) { return line.starts_with(text); });
  };
  CHECK(says("b:1      measuring"));
  CHECK(says("b:2      lost"));
}

TEST_CASE("the live view keeps to the terminal's width and height, and to no colour") {
  const Example example;
  for (const int width : {40, 60, 79, 120}) {
    for (int height = 1; height < 12; ++height) {
      const auto lines = live_view(example.run(), {.width = width}, height);
      CAPTURE(width);
      CAPTURE(height);
      CHECK(std::ssize(lines) <= height);
      for (const std::string& line : lines) {
        CHECK(static_cast<int>(columns_of(line)) < width);
        CHECK(line.find('\x1b') == std::string::npos);
      }
    }
  }
  test::check_golden("live_small", shown(example, {.width = 60}, 6));
  CHECK(shown(example, {.width = 60, .colour = true}, 6).find('\x1b') != std::string::npos);
}

TEST_CASE("the end is estimated from what runs, and from the plan's order after it") {
  Example example;
  CHECK(seconds_left(example.run()) == doctest::Approx(550 * 0.25 + 40));
  example.state.tasks["trains"].step_seconds = 0.01;
  CHECK(seconds_left(example.run()) == doctest::Approx(40 + 20));  // of what starts, and what comes after it
  example.state.tasks["trains"].step_seconds = 0;                  // not yet seen: as planned
  CHECK(seconds_left(example.run()) == doctest::Approx(100 + 40));
}

TEST_CASE("a task that was stopped has its steps left at the speed it had") {
  Example example;
  TaskState& task = example.state.tasks["trains"];
  task.phase = Phase::kWaiting;
  task.holds_devices = false;
  task.live_step = task.step;
  CHECK(seconds_left(example.run()) == doctest::Approx(600 * 0.25 + 40));
}

TEST_CASE("how much is done goes by planned time") {
  CHECK(fraction_done(Example().run()) == doctest::Approx((0.45 * 200 + 100 + 60) / 470));
  const Example nothing;
  const std::vector<TaskSpec> none;
  CHECK(fraction_done({none, nothing.state, nothing.plan, nothing.devices, 0}) == 1);
}

TEST_CASE("one line for where there is no terminal") {
  CHECK(live_line(Example().run()) == "53 %, 2/6 tasks, 2:58 left  trains 45 %  starts 0 %");
}

TEST_CASE("standing lines are drawn over themselves, messages stay above them") {
  std::string seen;
  {
    StandingLines lines([&](std::string_view text) { seen += text; });
    lines.draw({"one", "two"});
    lines.draw({"one", "two"});  // nothing new
    CHECK(seen == "one\ntwo\n");
    seen.clear();
    lines.draw({"three"});
    CHECK(seen == "\x1b[2A\r\x1b[Jthree\n");
    seen.clear();
    lines.message("told");
    CHECK(seen == "\x1b[1A\r\x1b[Jtold\nthree\n");
    seen.clear();
  }
  CHECK(seen == "\x1b[1A\r\x1b[J");
}

}  // namespace saturn::live_view_test
