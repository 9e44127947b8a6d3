// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstdlib>
#include <ctime>

#include "workload/budget_settings.h"
#include "workload_text.h"

namespace saturn::budget_test {
using test::parse;
using test::problems;
using test::with_task;

namespace {

const std::string kTask = "name: a, batch_size: 2, steps: 3";
constexpr double kStart = 1'796'000'000;  // 2026-11-30T00:53:20Z

BudgetSettings with(const std::string& budget) {
  return parse(with_task(kTask, "run: {budget: " + budget + "}\n")).run.budget;
}
double deadline(const std::string& text) {
  return deadline_at(with("{deadline: " + text + "}"), kStart);
}
std::string wrong(const std::string& budget) {
  return problems(with_task(kTask, "run: {budget: " + budget + "}\n"));
}
bool refused(const std::string& text) {
  return wrong("{deadline: " + text + "}").find("run.budget: 'deadline' must be ") != std::string::npos;
}

/// Local time is that zone's until the end of the test.
struct Zone {
  explicit Zone(const char* name) {
    ::setenv("TZ", name, 1);
    ::tzset();
  }
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;
  ~Zone() {
    ::unsetenv("TZ");
    ::tzset();
  }
};

}  // namespace

TEST_CASE("a budget is a deadline, device-hours, or both") {
  CHECK(parse(with_task(kTask, "run: {}\n")).run.budget == BudgetSettings{});
  CHECK(deadline_at({}, kStart) == HUGE_VAL);
  const BudgetSettings both = with("{deadline: 12h, device_hours: 96.5}");
  CHECK(both.device_hours == 96.5);
  CHECK(deadline_at(both, kStart) == kStart + 12 * 3600);
  CHECK(to_text(both) == "deadline 12h, 96.5 device-hours");
  CHECK(deadline_at(with("{device_hours: 1}"), kStart) == HUGE_VAL);
  CHECK(to_text(with("{device_hours: 1}")) == "1 device-hours");
}

TEST_CASE("a deadline is a time from the start, a time of day, or a date and time") {
  const Zone zone("UTC-1");  // an hour ahead of UTC: it is 01:53:20 there
  CHECK(deadline("90m") == kStart + 5400);
  CHECK(deadline("\"08:00\"") == kStart + 8 * 3600 - 6800);
  CHECK(deadline("\"01:53\"") == kStart + 24 * 3600 - 20);
  CHECK(deadline("\"01:53:21\"") == kStart + 1);
  CHECK(deadline("2026-11-30T01:53:20") == kStart);
  CHECK(deadline("2026-11-30T00:53:20Z") == kStart);
  CHECK(deadline("2026-11-30 02:53:20+02:00") == kStart);
  CHECK(deadline("2026-11-29T23:23:20-01:30") == kStart);
  CHECK(deadline("2028-02-29T00:00Z") > kStart);
  CHECK(deadline("2020-01-01T00:00Z") < kStart);  // whether that may be is for the run to say
}

TEST_CASE("bad budgets are refused with their place") {
  for (const char* text : {"0s", "-1h", "soon", "\"8:00\"", "\"24:00\"", "\"08:60\"", "2026-02-30T08:00",
                           "2026-04-31T08:00Z", "2026-13-01T08:00", "2026-12-01T08:00X", "2026-12-01T08:00+1",
                           "2026-12-01", "\"08:00Z\"", "[1]", "\"\""}) {
    CAPTURE(text);
    CHECK(refused(text));
  }
  CHECK(wrong("{device_hours: 0}").find("'device_hours' must be more than 0") != std::string::npos);
  CHECK(wrong("{}").find("'budget' limits nothing: give a deadline, device_hours, or both") !=
        std::string::npos);
  CHECK(wrong("{deadlin: 1h}").find("did you mean 'deadline'?") != std::string::npos);
  CHECK(wrong("{deadline: soon}").find("must be a time as 12h or 90m") != std::string::npos);
}

}  // namespace saturn::budget_test
