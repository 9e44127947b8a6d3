// SPDX-License-Identifier: Apache-2.0
#include "report/time_report.h"

#include <doctest/doctest.h>

#include "report/golden.h"
#include "report/run_report.h"

namespace saturn::time_report_test {

namespace {

RunSummary example() {
  RunSummary summary;
  summary.tasks.resize(3);
  summary.tasks[0].name = "small";
  summary.tasks[0].time = {.gangs = {.training = 40.04, .starting = 2.02}, .waiting = 0, .over = 34.44};
  summary.tasks[1].name = "moved";
  summary.tasks[1].time = {.gangs = {.training = 50, .starting = 2, .switching = 6.5}, .waiting = 18};
  summary.tasks[2].name = "unlucky";
  summary.tasks[2].time = {.gangs = {.training = 20, .starting = 2.25, .lost = 10.5}, .waiting = 43.75};
  Accounts& all = summary.accounts;
  all.makespan_seconds = summary.real_makespan_seconds = 76.5;
  all.device_seconds = 153;
  all.gangs = {.training = 110.04, .starting = 6.27, .switching = 6.5, .stopping = 0, .lost = 10.5};
  all.idle = 19.69;
  return summary;
}

}  // namespace

TEST_CASE("parts are rounded so that they add up as they are shown") {
  using Counts = std::vector<std::int64_t>;
  CHECK(apportion({1, 1, 1}, 3, 0.1) == Counts{10, 10, 10});
  CHECK(apportion({100.0 / 3, 100.0 / 3, 100.0 / 3}, 100, 0.1) == Counts{334, 333, 333});
  CHECK(apportion({0.04, 0.09, 9.87}, 10, 0.1) == Counts{0, 1, 99});
  CHECK(apportion({-1e-9, 2}, 2, 1) == Counts{0, 2});
  CHECK(apportion({}, 0, 0.1).empty());
}

TEST_CASE("where the time went, of the devices and of every task") {
  const RunSummary summary = example();
  test::check_golden("time", device_time_table(summary.accounts, {}) + "\n" + task_time_table(summary, {}));
}

TEST_CASE("every part has its line") {
  Accounts all{.makespan_seconds = 10, .device_seconds = 35};
  all.gangs = {.training = 5, .starting = 5, .switching = 5, .stopping = 5, .lost = 5};
  all.away = all.idle = 5;
  test::check_golden("time_all", device_time_table(all, {}));
}

TEST_CASE("the final report says where the device time went when there was any") {
  RunSummary summary = example();
  CHECK(run_report(summary, {}).find(device_time_table(summary.accounts, {})) != std::string::npos);
  summary.accounts = {};
  CHECK(device_time_table(summary.accounts, {}).empty());
  summary.tasks.clear();
  CHECK(run_report(summary, {}) == "0 tasks: \nmakespan 1:17; devices idle 0.0 %\n");
}

}  // namespace saturn::time_report_test
