// SPDX-License-Identifier: Apache-2.0
#include "report/history_report.h"

#include <doctest/doctest.h>

namespace saturn::history_report_test {
namespace {

const std::vector<Record> kRecords = {
    SessionStarted{"", "host", 1, {{"n0", 2}}},
    PlanAdopted{0, "first plan", 0, 100},
    GangStarted{.at = 0, .task = "a", .parallelism = "ddp", .knobs = {}, .node = "n0", .devices = {0}},
    GangReleased{1, "a", 0, 1},
    CheckpointWritten{5, "a", 10, 0.5},
    GangEnded{7, "a", "rank 0 was killed by SIGKILL while training", true, {}},
    GangEnded{8, "b", "out of memory: 3 GiB", true, {}},
    ConfigurationRuledOut{8, "b", "ddp", {}, "cpu", 1, "out of memory"},
    PlanAdopted{9, "task 'b' ran out of memory", 0, 120},
    TasksChanged{10, {"c", "d"}, {"e"}, {}},
    PlanKept{11, "interval", 50, 49},
    PlanAdopted{12, "interval", 50, 40},
    TaskFinished{.at = 13, .task = "f", .step = 5, .of_steps = 9, .why = "patience"},
    GangEnded{13, "f", "finished", false, {}},
    DevicesWentAway{14, "n0", {0, 1}, "the driver"},
    DevicesCameBack{15, "n0", {1}},
    MeasuringStarted{15, "n0", {1}},
    MeasuringEnded{16, "2 trials measured"},
    TaskFailed{16, "b", "nothing left"},
    SessionEnded{20, "stopped by SIGINT"},
    SessionStarted{"", "host", 2, {{"n0", 2}}},
    TaskReopened{0, "b"},
    GangEnded{3, "b", "stopped", false, 2},
    SessionStarted{"", "host", 3, {{"n0", 2}}},
    PlanAdopted{1, "replan", 0, 7},
    SessionEnded{4, "done"},
};

TEST_CASE("what happened in a run is told in its order, with the run's time") {
  const std::string text = history_table(what_happened(kRecords), 100, {.width = 100});
  CHECK(text ==
        "  at  what happened\n"
        " 7 s  task 'a' broke off: rank 0 was killed by SIGKILL while training\n"
        " 8 s  task 'b' broke off: out of memory: 3 GiB\n"
        " 8 s  task 'b' is not run by ddp on 1 device any more\n"
        " 9 s  another plan (task 'b' ran out of memory): 2:00 left\n"
        "10 s  tasks: added 'c', 'd'; dropped 'e'\n"
        "12 s  a better plan (interval): 40 s left instead of 50 s\n"
        "13 s  task 'f' finished early at step 5 of 9: patience\n"
        "14 s  lost devices 0, 1 of n0: the driver\n"
        "15 s  device 1 of n0 can be used again\n"
        "15 s  tasks that came in are measured on device 1 of n0\n"
        "16 s  measuring has ended: 2 trials measured\n"
        "16 s  task 'b' was given up: nothing left\n"
        "20 s  stopped by SIGINT\n"
        "20 s  the run went on\n"
        "20 s  task 'b' was taken up again\n"
        "23 s  the supervisor was killed, and its gangs with it\n"
        "24 s  another plan (replan): 7 s left\n");
}

TEST_CASE("of a long story the end is told") {
  const std::string text = history_table(what_happened(kRecords), 2, {.width = 100});
  CHECK(text ==
        "  at  what happened\n"
        "      (15 before that)\n"
        "23 s  the supervisor was killed, and its gangs with it\n"
        "24 s  another plan (replan): 7 s left\n");
}

TEST_CASE("where all went by the plan there is nothing to tell") {
  const std::vector<Record> records = {SessionStarted{}, PlanAdopted{0, "first plan", 0, 1},
                                       TaskFinished{.at = 1, .task = "a"}, SessionEnded{1, "done"}};
  CHECK(history_table(what_happened(records), 10, {}).empty());
}

}  // namespace
}  // namespace saturn::history_report_test
