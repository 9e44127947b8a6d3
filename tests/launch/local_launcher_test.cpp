// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <doctest/doctest.h>
#include <fstream>
#include <signal.h>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "launch/launcher.h"
#include "temporary_directory.h"

namespace saturn::local_launcher_test {
namespace {

constexpr Seconds kLimit{20};  // of every wait: a hung launcher fails the test instead of hanging it

struct Fixture {
  test::TemporaryDirectory directory;
  std::unique_ptr<Launcher> launcher = make_local_launcher();

  GangSpec gang(const std::vector<std::string>& scripts) const {
    GangSpec spec{.name = "task", .node = "here", .ranks = {}, .log = directory / "log", .environment = {}};
    for (const std::string& script : scripts) spec.ranks.push_back({"/bin/sh", "-c", script});
    return spec;
  }
  /// Events until the gang's exit, one word each, then the code.
  std::string story(GangId id) {
    std::string story;
    while (true) {
      const auto news = launcher->wait(kLimit);
      if (!news) return story + "nothing more";
      if (news->gang != id) continue;
      if (const auto* exited = std::get_if<GangExited>(&news->what)) {
        return story + "exit " + std::to_string(exited->code) + " of rank " + std::to_string(exited->rank);
      }
      const Event& event = std::get<Event>(news->what);
      if (std::holds_alternative<Ready>(event)) launcher->release(id);
      const std::string line = to_line(event);
      story += line.substr(10, line.find('"', 10) - 10) + " ";
    }
  }
  std::string log() const { return read_file(directory / "log"); }
};

constexpr const char* kReady = R"(echo '{"event":"ready","step":0,"startup_seconds":0}'; )";
constexpr const char* kStopped = R"(echo '{"event":"stopped","step":3}'; )";

TEST_CASE_FIXTURE(Fixture, "a gang reports ready, trains after its release, and is reaped") {
  const GangId id =
      launcher->start(gang({std::string(kReady) + "read word; test \"$word\" = go && " + kStopped}));
  CHECK(story(id) == "ready stopped exit 0 of rank 0");
}

TEST_CASE_FIXTURE(Fixture, "what is no event, and what goes to standard error, is in the log") {
  const GangId id = launcher->start(gang({"echo hello; echo warning >&2; printf half", "echo other rank"}));
  CHECK(story(id) == "exit 0 of rank 0");
  for (const char* text : {"hello\n", "warning\n", "half\n", "other rank\n"}) {
    CHECK(log().find(text) != std::string::npos);
  }
}

TEST_CASE_FIXTURE(Fixture, "the ranks share the rendezvous file and know their supervisor") {
  GangSpec spec =
      gang({"sleep 0.1; cat $0; echo; test $SATURN_SUPERVISOR = $PPID && echo same", "printf 42 > $0"});
  for (auto& rank : spec.ranks) rank.push_back("{rendezvous}");
  CHECK(story(launcher->start(spec)) == "exit 0 of rank 0");
  CHECK(log() == "42\nsame\n");
}

TEST_CASE_FIXTURE(Fixture, "a gang that is started ahead waits at the gate until it is admitted") {
  GangSpec spec = gang({"head -c 1 /proc/self/fd/$0 | wc -c", "head -c 1 /proc/self/fd/$0 | wc -c"});
  for (auto& rank : spec.ranks) rank.push_back("{gate}");
  spec.ahead = true;
  const GangId id = launcher->start(spec);
  CHECK_FALSE(launcher->wait(Seconds(0.2)));
  launcher->admit(id);
  CHECK(story(id) == "exit 0 of rank 0");
  CHECK(log() == "1\n1\n");
}

TEST_CASE_FIXTURE(Fixture, "a gang at the gate ends with the launcher, unadmitted") {
  GangSpec spec = gang({"head -c 1 /proc/self/fd/$0 | wc -c; sleep 100"});
  spec.ranks[0].push_back("{gate}");
  spec.ahead = true;
  launcher->start(spec);
  launcher.reset();
  CHECK(log().empty());
}

TEST_CASE_FIXTURE(Fixture, "a gang of which one rank dies is killed as a whole and names the rank") {
  const GangId id = launcher->start(gang({"trap '' TERM; sleep 60", "exit 7"}));
  CHECK(story(id) == "exit 7 of rank 1");
}

TEST_CASE_FIXTURE(Fixture,
                  "a rank killed by a signal is the reason, not the ranks that failed because of it") {
  const GangId id = launcher->start(gang({"sleep 0.2; exit 1", "kill -9 $$"}));
  CHECK(story(id) == "exit 137 of rank 1");
}

TEST_CASE_FIXTURE(Fixture, "a stopped gang has time to save") {
  const std::string script = std::string("trap '") + R"(echo "{\"event\":\"stopped\",\"step\":3}"; exit 0)" +
                             "' TERM; " + kReady + "while :; do sleep 0.05; done";
  const GangId id = launcher->start(gang({script}));
  REQUIRE(launcher->wait(kLimit).has_value());
  launcher->stop(id, Seconds(10));
  CHECK(story(id) == "stopped exit 0 of rank 0");
}

TEST_CASE_FIXTURE(Fixture, "a gang that does not stop within its grace is killed") {
  const GangId id =
      launcher->start(gang({std::string("trap '' TERM; ") + kReady + "while :; do sleep 0.05; done"}));
  REQUIRE(launcher->wait(kLimit).has_value());
  launcher->stop(id, Seconds(0.2));
  CHECK(story(id) == "exit 137 of rank 0");
}

TEST_CASE_FIXTURE(Fixture, "a child of a rank does not survive the gang") {
  const GangId id = launcher->start(gang({"sleep 60 & echo $!"}));
  CHECK(story(id) == "exit 0 of rank 0");
  const pid_t grandchild = std::stoi(log());
  bool gone = false;
  for (int i = 0; i < 100 && !gone; ++i) {
    // Until init reaps it, a killed process is still there as a zombie: its state tells.
    std::ifstream stat("/proc/" + std::to_string(grandchild) + "/stat");
    std::string pid, name, state;
    gone = !(stat >> pid >> name >> state) || state == "Z";
    if (!gone) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  CHECK(gone);
}

TEST_CASE_FIXTURE(Fixture, "the launcher's end is the end of every gang") {
  launcher->start(gang({"echo $$ > " + (directory / "pid").string() + "; exec sleep 60"}));
  for (int i = 0; i < 500 && !std::filesystem::exists(directory / "pid"); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const pid_t pid = std::stoi(read_file(directory / "pid"));
  launcher.reset();
  CHECK(::kill(pid, 0) == -1);
  CHECK(errno == ESRCH);
}

TEST_CASE_FIXTURE(Fixture,
                  "a program that is not there is an error of the environment and leaves nothing running") {
  GangSpec spec = gang({"sleep 60"});
  spec.ranks.push_back({"/nowhere/saturn-worker"});
  CHECK_THROWS_WITH_AS(launcher->start(spec),
                       "cannot start /nowhere/saturn-worker: No such file or directory", SystemError);
  CHECK_FALSE(launcher->wait(Seconds(0)).has_value());
}

TEST_CASE_FIXTURE(Fixture, "a wait ends when it is woken") {
  launcher->wake();
  CHECK_FALSE(launcher->wait(kLimit).has_value());
}

}  // namespace
}  // namespace saturn::local_launcher_test
