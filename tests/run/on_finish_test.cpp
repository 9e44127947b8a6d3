// SPDX-License-Identifier: Apache-2.0
#include "run/on_finish.h"

#include <doctest/doctest.h>
#include <fstream>
#include <thread>

#include "base/file.h"
#include "temporary_directory.h"

namespace saturn::on_finish_test {

namespace {

const RunOutcome kOutcome{1, "/runs/first", "/w/first.yaml", 3, 1, 2};

class Timer {
 public:
  double seconds() const { return steady_seconds() - began_; }

 private:
  double began_ = steady_seconds();
};

/// Whether there is such a process that is not about to go: one that was killed may wait for its reaper.
bool is_alive(const std::string& pid) {
  for (int i = 0; i < 50; ++i) {
    std::ifstream file("/proc/" + std::to_string(std::stol(pid)) + "/stat");
    std::string text;
    std::getline(file, text);
    const size_t name_end = text.rfind(')');
    if (name_end == std::string::npos || text.compare(name_end, 3, ") Z") == 0) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

struct Fixture {
  test::TemporaryDirectory directory;
  Interrupt interrupt;

  std::string run(const std::string& line, double seconds = 20) {
    return run_on_finish({line, directory.path(), Seconds(seconds)}, kOutcome, interrupt);
  }
  std::string file(const std::string& name) const { return read_file(directory / name); }
};

}  // namespace

TEST_CASE("every exit code has its word") {
  CHECK(outcome_word(0) == "done");
  CHECK(outcome_word(1) == "failed");
  CHECK(outcome_word(3) == "error");
  CHECK(outcome_word(4) == "out_of_budget");
  CHECK(outcome_word(130) == "interrupted");
  CHECK(outcome_word(143) == "interrupted");
}

TEST_CASE_FIXTURE(Fixture,
                  "the command is a shell's line, works beside the workload and is told the outcome") {
  CHECK(run("env | grep -E '^SATURN_(OUTCOME|EXIT|RUN|WORK|TASKS)' | sort > told; cat > input") == "");
  CHECK(file("told") ==
        "SATURN_EXIT_CODE=1\nSATURN_OUTCOME=failed\nSATURN_RUN_DIRECTORY=/runs/first\nSATURN_TASKS_FAILED=1\n"
        "SATURN_TASKS_FINISHED=3\nSATURN_TASKS_LEFT=2\nSATURN_WORKLOAD=/w/first.yaml\n");
  CHECK(file("input") == "");  // its standard input is empty, whatever this program's is
}

TEST_CASE_FIXTURE(Fixture, "what goes wrong with it is told") {
  CHECK(run("exit 7") == "it exited with code 7");
  CHECK(run("kill -9 $$") == "it was killed by signal 9");
  CHECK(run_on_finish({"true", directory / "nowhere", Seconds(20)}, kOutcome, interrupt) ==
        "cannot start /bin/sh: No such file or directory");
}

TEST_CASE_FIXTURE(Fixture, "one that takes too long is asked to end, with all that it has started") {
  const Timer timer;
  CHECK(run("trap 'echo asked > asked; exit' TERM; sleep 300 & echo $! > child; wait", 0.3) ==
        "it had not ended after 300 ms (run.on_finish_timeout), and was killed");
  CHECK(timer.seconds() < 100);
  CHECK(file("asked") == "asked\n");
  CHECK(!is_alive(file("child")));
}

TEST_CASE_FIXTURE(Fixture, "one that does not listen is killed; so is what another leaves behind") {
  CHECK(run("trap '' TERM; while :; do sleep 0.1; done", 0.1).ends_with("and was killed"));
  CHECK(run("sleep 300 & echo $! > child") == "");
  CHECK(!is_alive(file("child")));
}

TEST_CASE_FIXTURE(Fixture, "another signal ends it; those that came before do not") {
  interrupt.count = 2;
  CHECK(run("true") == "");
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    ++interrupt.count;
  });
  const Timer timer;
  CHECK(run("sleep 300", 200) == "it was ended by a signal");
  CHECK(timer.seconds() < 100);
  later.join();
}

}  // namespace saturn::on_finish_test
