// SPDX-License-Identifier: Apache-2.0
#include "run/run_directory.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/error.h"
#include "temporary_directory.h"

namespace saturn::run_directory_test {
namespace {

TaskSpec task(const std::string& name, std::int64_t steps) {
  TaskSpec spec;
  spec.name = name;
  spec.steps = steps;
  spec.batch_size = 2;
  spec.model.gpt = {1, 1, 8, 8, 256};
  return spec;
}

TEST_CASE("a second process is told who holds the run directory") {
  const test::TemporaryDirectory directory;
  const RunDirectory run{directory / "run"};
  const RunLock first(run);
  try {
    const RunLock second(run);
    FAIL("the directory was locked twice");
  } catch (const InputError& error) {
    const std::string text = error.what();
    CHECK(text.starts_with("error: the run directory " + run.path.string() + " is in use by process " +
                           std::to_string(::getpid()) + " on "));
    CHECK(
        text.ends_with(": wait for it, stop it, or name another directory (run.directory in the workload)"));
  }
}

TEST_CASE("the lock ends with its owner") {
  const test::TemporaryDirectory directory;
  const RunDirectory run{directory / "run"};
  { const RunLock first(run); }
  CHECK_NOTHROW(RunLock{run});
}

TEST_CASE("what a directory is a run of reads back the same") {
  const test::TemporaryDirectory directory;
  const RunDirectory run{directory.path()};
  RunIdentity identity{"/w.yaml", {task("a", 5), task("b", 6)}};
  identity.cluster = ClusterSpec{.automatic = false, .nodes = {{.name = "n", .devices = 3}}};
  write_file_atomically(run.run_file(), to_text(identity));
  const RunIdentity read = read_run_identity(run);
  CHECK(read.cluster == identity.cluster);
  CHECK(read.workload_file == "/w.yaml");
  CHECK(differences(identity, read).empty());
  CHECK(to_text(read) == to_text(identity));
}

TEST_CASE("another workload is told apart by what differs") {
  const RunIdentity before{"/w.yaml", {task("a", 5), task("b", 6)}};
  const RunIdentity now{"/w.yaml", {task("a", 7), task("c", 6)}};
  CHECK(differences(before, now) == std::vector<std::string>{"task 'b' is gone",
                                                             "task 'a' has changed: steps 5 -> 7",
                                                             "task 'c' is new"});
}

}  // namespace
}  // namespace saturn::run_directory_test
