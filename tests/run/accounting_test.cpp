// SPDX-License-Identifier: Apache-2.0
#include "run/accounting.h"

#include <doctest/doctest.h>

namespace saturn::accounting_test {
namespace {

SessionStarted session(int devices = 2) {
  return {"", "host", 1, {{"n0", devices}}};
}
GangStarted start(double at, const std::string& task, std::vector<int> devices = {0}) {
  return {at, task, "ddp", {}, "n0", std::move(devices), 10};
}
CheckpointWritten checkpoint(double at, const std::string& task, std::int64_t step) {
  return {at, task, step, 0.1};
}
TaskFinished finish(double at, const std::string& task, std::int64_t step) {
  return {at, task, step, 1, 1, "", 0.1, step};
}
GangEnded end(double at, const std::string& task, const std::string& why, double asked_at) {
  return {at, task, why, false, asked_at};
}
GangEnded broke(double at, const std::string& task) {
  return {at, task, "rank 0 was killed by SIGKILL while training", true};
}

bool same(const GangTime& a, const GangTime& b) {
  return a.training == doctest::Approx(b.training) && a.starting == doctest::Approx(b.starting) &&
         a.switching == doctest::Approx(b.switching) && a.stopping == doctest::Approx(b.stopping) &&
         a.lost == doctest::Approx(b.lost);
}

/// Of any prefix: everything adds up.
Accounts checked(const std::vector<Record>& records) {
  Accountant accountant;
  for (const Record& record : records) {
    accountant.apply(record);
    const Accounts now = accountant.accounts();
    CHECK(now.gangs.total() + now.away + now.idle == doctest::Approx(now.device_seconds));
    for (const auto& [name, task] : now.tasks) {
      CAPTURE(name);
      CHECK(task.total() == doctest::Approx(now.makespan_seconds));
    }
  }
  return accountant.accounts();
}

TEST_CASE("a run in which nothing happens but training") {
  const Accounts all =
      checked({session(), start(1, "a", {0, 1}), GangReleased{3, "a", 0, 2}, finish(9, "a", 60),
               GangEnded{10, "a", "finished", false}, SessionEnded{11, "done"}});
  CHECK(all.makespan_seconds == 11);
  CHECK(all.device_seconds == 22);
  CHECK(same(all.gangs, {.training = 14, .starting = 4}));
  CHECK(all.idle == 4);
  CHECK(same(all.tasks.at("a").gangs, {.training = 7, .starting = 2}));
  CHECK(all.tasks.at("a").waiting == 1);
  CHECK(all.tasks.at("a").over == 1);
}

TEST_CASE("nothing at all") {
  const Accounts none = account({});
  CHECK(none.makespan_seconds == 0);
  CHECK(none.device_seconds == 0);
  CHECK(none.tasks.empty());
}

TEST_CASE("a switch is from being told to leave until the gang at the other place is up") {
  const Accounts all =
      checked({session(), start(0, "a"), GangReleased{2, "a", 0, 2}, PlanAdopted{10, "", 5, 4},
               checkpoint(11, "a", 90), end(12, "a", "stopped", 10), start(15, "a", {0, 1}),
               GangReleased{18, "a", 90, 3}, finish(20, "a", 100), GangEnded{20, "a", "finished", false},
               SessionEnded{20, "done"}});
  CHECK(same(all.gangs, {.training = 8 + 4, .starting = 2, .switching = 2 + 6}));
  CHECK(same(all.tasks.at("a").gangs, {.training = 8 + 2, .starting = 2, .switching = 2 + 3}));
  CHECK(all.tasks.at("a").waiting == 3);
  CHECK(all.idle == 15 + 3);
}

TEST_CASE("what the end of a session stops, and its start-up in the next one, is no switch") {
  const Accounts all =
      checked({session(1), start(0, "a"), GangReleased{2, "a", 0, 2}, checkpoint(11, "a", 80),
               end(11.5, "a", "stopped", 10), SessionEnded{12, "stopped by SIGINT"},  //
               session(1), start(0, "a"), GangReleased{3, "a", 80, 3}, finish(5, "a", 100),
               GangEnded{5, "a", "finished", false}, SessionEnded{5, "done"}});
  CHECK(all.makespan_seconds == 17);
  CHECK(same(all.gangs, {.training = 8 + 2, .starting = 2, .stopping = 1.5 + 3}));
  CHECK(all.idle == 0.5);
}

TEST_CASE("a journal that does not say when a gang was told to leave") {
  const Accounts all =
      checked({session(1), start(0, "a"), GangReleased{2, "a", 0, 2}, checkpoint(11, "a", 80),
               GangEnded{12, "a", "stopped", false}, SessionEnded{12, "stopped"}});
  CHECK(same(all.gangs, {.training = 9, .starting = 2, .stopping = 1}));
}

TEST_CASE("steps after the last checkpoint of a gang that broke are lost, and the start-up after it") {
  const Accounts all = checked({session(1), start(0, "a"), GangReleased{2, "a", 0, 2}, checkpoint(6, "a", 40),
                                broke(9, "a"), start(10, "a"), GangReleased{12, "a", 40, 2}, broke(13, "a"),
                                TaskFailed{13, "a", "killed"}, SessionEnded{15, "done, with failures"}});
  CHECK(same(all.gangs, {.training = 4, .starting = 2, .lost = 3 + 2 + 1}));
  CHECK(all.tasks.at("a").waiting == 1);
  CHECK(all.tasks.at("a").over == 2);
}

TEST_CASE("a gang that broke before it was up is lost, and its task has yet to start") {
  const Accounts all =
      checked({session(1), start(0, "a"), broke(3, "a"), start(3, "a"), GangReleased{5, "a", 0, 2},
               finish(7, "a", 20), GangEnded{7, "a", "finished", false}, SessionEnded{7, "done"}});
  CHECK(same(all.gangs, {.training = 2, .starting = 2, .lost = 3}));
}

TEST_CASE("a killed session ends with its last record, and its gangs broke") {
  const Accounts all =
      checked({session(), start(0, "a"), GangReleased{2, "a", 0, 2}, checkpoint(6, "a", 40),
               start(7, "b", {1}),  // and kill -9
               session(), start(1, "a"), GangReleased{2, "a", 40, 1}, finish(3, "a", 50),
               GangEnded{3, "a", "finished", false}, start(3, "b"), GangReleased{4, "b", 0, 1},
               finish(6, "b", 20), GangEnded{6, "b", "finished", false}, SessionEnded{6, "done"}});
  CHECK(all.makespan_seconds == 13);
  CHECK(same(all.tasks.at("a").gangs, {.training = 4 + 1, .starting = 2, .lost = 1 + 1}));
  CHECK(same(all.tasks.at("b").gangs, {.training = 2, .starting = 1}));
  CHECK(all.tasks.at("b").waiting == 7 + 3);
}

TEST_CASE("training that a damaged checkpoint takes back was for nothing") {
  const Accounts all =
      checked({session(1), start(0, "a"), GangReleased{1, "a", 0, 1}, checkpoint(5, "a", 40),
               checkpoint(7, "a", 60), broke(7, "a"), start(7, "a"), GangReleased{8, "a", 50, 1},
               finish(13, "a", 100), GangEnded{13, "a", "finished", false}, SessionEnded{13, "done"}});
  CHECK(same(all.gangs, {.training = 4 + 1 + 5, .starting = 1, .lost = 1 + 1}));
}

TEST_CASE("lost devices are away as soon as nobody holds them, until they come back or a session starts") {
  const Accounts all = checked(
      {session(), start(0, "a", {0, 1}), GangReleased{1, "a", 0, 1}, DevicesWentAway{4, "n0", {1}, "gone"},
       GangEnded{5, "a", "lost its devices: gone", false}, DevicesCameBack{9, "n0", {1}},
       DevicesWentAway{10, "n0", {0}, "gone"}, SessionEnded{12, "stopped"},  //
       session(), SessionEnded{1, "stopped"}});
  CHECK(all.device_seconds == 26);
  CHECK(same(all.gangs, {.starting = 2, .lost = 8}));
  CHECK(all.away == 4 + 2);
  CHECK(all.idle == 4 + (2 + 3 + 1) - 2 + 2);
}

TEST_CASE("a task that is to do more goes on") {
  const Accounts all =
      checked({session(1), start(0, "a"), GangReleased{1, "a", 0, 1}, finish(3, "a", 20),
               GangEnded{3, "a", "finished", false}, SessionEnded{4, "done"},  //
               session(1), TaskReopened{1, "a"}, start(2, "a"), GangReleased{4, "a", 20, 2},
               finish(5, "a", 30), GangEnded{5, "a", "finished", false}, SessionEnded{5, "done"}});
  CHECK(same(all.gangs, {.training = 2 + 1, .starting = 1 + 2}));
  CHECK(all.tasks.at("a").over == 1 + 1);
  CHECK(all.tasks.at("a").waiting == 1);
}

TEST_CASE("a gang that still runs counts until the last record") {
  const Accounts all = checked({session(), start(0, "a"), GangReleased{1, "a", 0, 1}, start(1, "b", {1}),
                                ValidationDone{4, "a", 30, 2}});
  CHECK(same(all.gangs, {.training = 3, .starting = 1 + 3}));
  CHECK(all.idle == 1);
}

TEST_CASE("devices that no session names are those that gangs were on, from the beginning") {
  SessionStarted old = session();
  old.devices.clear();
  const Accounts all = checked({old, start(0, "a"), GangReleased{1, "a", 0, 1}, start(2, "b", {1}),
                                GangReleased{3, "b", 0, 1}, SessionEnded{4, "stopped"}});
  CHECK(all.device_seconds == 8);
  CHECK(all.idle == 2);
}

}  // namespace
}  // namespace saturn::accounting_test
