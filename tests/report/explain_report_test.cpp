// SPDX-License-Identifier: Apache-2.0
#include "report/explain_report.h"

#include <doctest/doctest.h>

#include "report/golden.h"

namespace saturn::explain_report_test {

namespace {

using How = Consequence::How;

TaskExplanation task(Assignment line, double slack, std::vector<std::string> waits_for) {
  TaskExplanation result;
  result.line = std::move(line);
  result.slack_seconds = slack;
  result.critical = slack == 0;
  result.waits_for = std::move(waits_for);
  return result;
}

TaskExplanation large() {
  TaskExplanation result = task({"large", "ddp", {{"bucket_mb", "25"}}, "n0", {0}, 0, 40}, 0, {});
  result.configurations = {
      {{"ddp", {{"bucket_mb", "25"}}, "h100", 1, 40}, true, "", {How::kPlanned, 75, 72, ""}},
      {{"ddp", {}, "h100", 2, 25}, false, "", {How::kSolved, 78, 78, ""}},
      {{"fsdp", {}, "h100", 2, 30}, false, "ddp on 2", {How::kSolved, 81, 76.5, ""}},
      {{"fsdp", {}, "h100", 4, 15}, false, "", {How::kRetimed, 90, 0, ""}},
      {{"fsdp", {}, "h100", 8, 9}, false, "", {How::kImpossible, 0, 0, "it fits on no node"}}};
  return result;
}

Explanation whole() {
  Explanation result;
  result.makespan_seconds = 75;
  result.chain = {"large", "gang"};
  result.tasks = {large(), task({"small", "ddp", {}, "n0", {1}, 5, 4}, 31, {}),
                  task({"gang", "ddp", {}, "n0", {0, 1}, 40, 35}, 0, {"large"}),
                  task({"late", "ddp", {}, "n1", {0}, 10, 5}, 60, {})};
  result.tasks[1].devices_free_seconds = 5;
  result.tasks[3].line.pinned = PinnedParts::whole();
  using Why = IdleSpan::Why;
  result.idle = {
      {"n0", {1}, 9, 40, Why::kGang, "gang", {"large"}}, {"n1", {0}, 0, 10, Why::kPinned, "late", {}},
      {"n1", {0}, 15, 75, Why::kNoneFits, "", {}},       {"n1", {1, 2}, 0, 75, Why::kNoGain, "", {}},
      {"n2", {0}, 0, 5, Why::kGang, "other", {}},        {"n2", {0}, 6, 9, Why::kLate, "slow", {}},
      {"n2", {0}, 74, 75, Why::kNothingLeft, "", {}}};
  result.idle_device_seconds = 260;
  result.device_seconds = 375;
  result.what_ifs = {{"one more device on every node", {How::kSolved, 60, 60, ""}},
                     {"one more node like 'n0' (2 x h100)", {How::kSolved, 75, 70, ""}}};
  return result;
}

}  // namespace

TEST_CASE("a plan is explained: chain, tasks, idle devices, larger clusters") {
  test::check_golden("explain", explain_report(whole(), {.width = 140}));
}

TEST_CASE("one task is explained: its start, its configurations, its nodes") {
  Explanation one;
  one.makespan_seconds = 75;
  one.tasks = {large()};
  one.tasks[0].nodes = {{"n0", true, {How::kPlanned, 75, 72, ""}}, {"n1", false, {How::kSolved, 72, 72, ""}}};
  one.tasks[0].without_pin = {How::kSolved, 70, 70, ""};
  one.tasks[0].not_available = {"spill on 1 x h100: out of memory: needs 2 GiB more than 80 GiB"};
  test::check_golden("explain_task", explain_report(one, {}));
}

TEST_CASE("a plan without tasks has nothing to explain") {
  CHECK(explain_report({}, {}) == "the plan has no tasks\n\nIdle devices\n0.0 of 0.0 device-seconds\n");
}

TEST_CASE("of many idle spans the largest are shown") {
  Explanation many;
  for (int i = 0; i < 30; ++i)
    many.idle.push_back({"n" + std::to_string(i), {0}, 0, 30.0 - i, IdleSpan::Why::kNothingLeft, "", {}});
  const std::string text = explain_report(many, {});
  CHECK(text.find("n19:0") != std::string::npos);
  CHECK(text.find("n20:0") == std::string::npos);
  CHECK(text.find("and 10 shorter ones\n") != std::string::npos);
}

}  // namespace saturn::explain_report_test
