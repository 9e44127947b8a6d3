// SPDX-License-Identifier: Apache-2.0
#include "report/gantt.h"

#include <doctest/doctest.h>
#include <sstream>

#include "report/golden.h"

namespace saturn::gantt_test {

namespace {

Cluster cluster_of(int devices) {
  Cluster cluster{{{"local", "cpu", {}}}};
  for (int i = 0; i < devices; ++i) cluster.nodes[0].devices.push_back({i, {i}, 0});
  return cluster;
}

Assignment at(const std::string& task, std::vector<int> devices, double start, double duration) {
  Assignment a;
  a.task = task;
  a.node = "local";
  a.devices = std::move(devices);
  a.start_seconds = start;
  a.duration_seconds = duration;
  return a;
}

Plan example() {
  Plan plan;
  plan.assignments = {at("large-lr0.001", {0, 1}, 0, 40), at("small", {0}, 40, 35), at("tiny", {1}, 50, 20)};
  return plan;
}

}  // namespace

TEST_CASE("the Gantt chart has a row per device, names in the bars, dots where a device is idle") {
  test::check_golden("gantt", gantt(gantt_rows(example(), cluster_of(3)), {80, false}));
}

TEST_CASE("every line of a chart is exactly as wide as asked, for any width") {
  for (const int width : {40, 41, 57, 80, 200}) {
    std::istringstream lines(gantt(gantt_rows(example(), cluster_of(3)), {width, false}));
    for (std::string line; std::getline(lines, line);) {
      CHECK(columns_of(line) == static_cast<size_t>(width));
    }
  }
}

TEST_CASE("devices that do the same are one row, so that wide gangs stay readable") {
  Plan plan;
  std::vector<int> half(32), other(32);
  for (int i = 0; i < 32; ++i) {
    half[static_cast<size_t>(i)] = i;
    other[static_cast<size_t>(i)] = 32 + i;
  }
  plan.assignments = {at("a", half, 0, 10), at("b", half, 10, 10), at("c", other, 0, 15)};
  test::check_golden("gantt_wide", gantt(gantt_rows(plan, cluster_of(64)), {60, false}));
}

TEST_CASE("bars shorter than a column never widen the chart") {
  Plan plan;
  for (int i = 0; i < 500; ++i) plan.assignments.push_back(at("t", {0}, i, 1));
  test::check_golden("gantt_many", gantt(gantt_rows(plan, cluster_of(1)), {50, false}));
}

TEST_CASE("one device is enough, and nothing planned is no picture") {
  Plan plan;
  CHECK(gantt(gantt_rows(plan, cluster_of(2)), {}).empty());
  plan.assignments = {at("only", {0}, 0, 10)};
  CHECK(gantt(gantt_rows(plan, cluster_of(1)), {40, false}) ==
        "local:0 [only==========================]\n"
        "        0 s             5 s         10 s\n");
}

TEST_CASE("a gang across nodes has a bar on each of them") {
  Cluster cluster = cluster_of(2);
  cluster.nodes.push_back({"other", "cpu", {{0, {0}, 0}, {1, {1}, 0}}});
  Plan plan;
  plan.assignments = {at("across", {1}, 0, 40)};
  plan.assignments[0].further = {{"other", {0}}};
  const std::vector<GanttRow> rows = gantt_rows(plan, cluster);
  REQUIRE(rows.size() == 4);
  for (size_t i = 0; i < rows.size(); ++i) CHECK(rows[i].bars.size() == (i == 1 || i == 2 ? 1 : 0));
}

}  // namespace saturn::gantt_test
