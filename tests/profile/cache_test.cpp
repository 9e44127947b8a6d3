// SPDX-License-Identifier: Apache-2.0
#include "profile/cache.h"

#include <cstdlib>
#include <doctest/doctest.h>

#include "base/file.h"
#include "profile/fixtures.h"
#include "temporary_directory.h"

namespace saturn::cache_test {
using test::measured;

namespace {

std::vector<Trial> rows() {
  return {{"s", "ddp", 1, "cpu", {{"k", "1"}}, measured(0.5)}};
}

PlannedTrial planned() {
  return {"s", std::make_shared<TaskSpec>(test::small_task("t")), test::manifest("ddp"), 1, "cpu"};
}

TrialConditions conditions() {
  return {"Fast Processor 9000", "worker 1", {}};
}

/// The only file in the directory.
std::filesystem::path only_file(const std::filesystem::path& directory) {
  return std::filesystem::directory_iterator(directory)->path();
}

}  // namespace

TEST_CASE("what was stored is found, under its key only") {
  const test::TemporaryDirectory directory;
  const TrialCache cache(directory / "deep");
  CHECK(!cache.find("key"));
  cache.store("key", rows());
  CHECK(cache.find("key") == rows());
  CHECK(!cache.find("another key"));
}

TEST_CASE("a damaged cache file counts as missing and is replaced") {
  const test::TemporaryDirectory directory;
  const TrialCache cache(directory.path());
  cache.store("key", rows());
  const auto file = only_file(directory.path());
  const std::string whole = read_file(file);
  for (const std::string& damaged :
       {std::string(), whole.substr(0, whole.size() / 2), std::string("[1, 2]"),
        std::string(R"({"schema": "saturn.trial/1", "key": "key", "trials": []})")}) {
    write_file_atomically(file, damaged);
    CHECK(!cache.find("key"));
  }
  cache.store("key", rows());
  CHECK(cache.find("key") == rows());
}

TEST_CASE("a file whose key is another counts as missing") {
  const test::TemporaryDirectory directory;
  const TrialCache cache(directory.path());
  cache.store("key", rows());
  const auto file = only_file(directory.path());
  std::string text = read_file(file);
  text.replace(text.find("\"key\": \"key\""), 12, "\"key\": \"yek\"");
  write_file_atomically(file, text);
  CHECK(!cache.find("key"));
}

TEST_CASE("out of memory and not applicable are kept, failures are not") {
  const test::TemporaryDirectory directory;
  const TrialCache cache(directory.path());
  const std::vector<Trial> settled = {{"s", "ddp", 1, "cpu", {}, OutOfMemory{"m"}},
                                      {"s", "ddp", 1, "cpu", {}, NotApplicable{"w"}}};
  cache.store("settled", settled);
  CHECK(cache.find("settled") == settled);
  std::vector<Trial> failed = rows();
  failed.push_back({"s", "ddp", 1, "cpu", {}, TrialFailed{"why", "tail"}});
  cache.store("failed", failed);
  CHECK(!cache.find("failed"));
}

TEST_CASE("a cache without a directory neither keeps nor finds") {
  const TrialCache cache("");
  cache.store("key", rows());
  CHECK(!cache.find("key"));
}

TEST_CASE("everything that changes the figures changes the key, and nothing else does") {
  const test::TemporaryDirectory directory;
  const std::string key = trial_key(planned(), test::slots(2), conditions());
  PlannedTrial trial = planned();
  trial.task = std::make_shared<TaskSpec>(test::small_task("renamed"));
  trial.parallelism.description = "other words";
  CHECK(trial_key(trial, test::slots(2), conditions()) == key);

  trial = planned();
  trial.signature = "other";
  CHECK(trial_key(trial, test::slots(2), conditions()) != key);
  trial = planned();
  trial.devices = 2;
  CHECK(trial_key(trial, test::slots(2), conditions()) != key);
  trial = planned();
  trial.parallelism.knobs["k"] = {"1"};
  CHECK(trial_key(trial, test::slots(2), conditions()) != key);
  CHECK(trial_key(planned(), test::slots(3), conditions()) != key);

  Cluster cluster = test::slots(2);
  for (Device& device : cluster.nodes[0].devices) device.memory_bytes /= 2;
  CHECK(trial_key(planned(), cluster, conditions()) != key);
  for (auto change : {+[](TrialConditions& c) { c.cpu_model = "slower"; },
                      +[](TrialConditions& c) { c.worker = "worker 2"; },
                      +[](TrialConditions& c) { c.settings.trial_seconds = 9; }}) {
    TrialConditions other = conditions();
    change(other);
    CHECK(trial_key(planned(), test::slots(2), other) != key);
  }
}

TEST_CASE("the driver and the model of a GPU change the key of its trials, and no others") {
  TrialConditions newer = conditions();
  newer.gpu_driver = "590.1";
  CHECK(trial_key(planned(), test::slots(2), newer) == trial_key(planned(), test::slots(2), conditions()));
  PlannedTrial trial = planned();
  trial.device_kind = "l4";
  Cluster cluster{{{"local", "l4", {{0, {0}, Bytes{1} << 30, "GPU-1", "NVIDIA L4"}}}}};
  const std::string key = trial_key(trial, cluster, conditions());
  CHECK(trial_key(trial, cluster, newer) != key);
  cluster.nodes[0].devices[0].uuid = "GPU-2";
  CHECK(trial_key(trial, cluster, conditions()) == key);
  cluster.nodes[0].devices[0].name = "NVIDIA L4 (another board)";
  CHECK(trial_key(trial, cluster, conditions()) != key);
}

TEST_CASE("a rebuilt library changes the key") {
  const test::TemporaryDirectory directory;
  PlannedTrial trial = planned();
  trial.parallelism.library = directory / "libddp.so";
  write_file_atomically(trial.parallelism.library, "version 1");
  const std::string key = trial_key(trial, test::slots(2), conditions());
  write_file_atomically(trial.parallelism.library, "version 2");
  CHECK(trial_key(trial, test::slots(2), conditions()) != key);
}

TEST_CASE("a library that is not there has a key, too, until it is there") {
  const test::TemporaryDirectory directory;
  PlannedTrial trial = planned();
  trial.parallelism.library = directory / "libmine.so";
  const std::string key = trial_key(trial, test::slots(2), conditions());
  CHECK(trial_key(trial, test::slots(2), conditions()) == key);
  write_file_atomically(trial.parallelism.library, "built");
  CHECK(trial_key(trial, test::slots(2), conditions()) != key);
}

TEST_CASE("the cache lives under XDG_CACHE_HOME, else under the home directory") {
  ::setenv("HOME", "/home/someone", 1);
  ::setenv("XDG_CACHE_HOME", "/var/cache/someone", 1);
  CHECK(TrialCache::default_directory() == "/var/cache/someone/saturn/trials");
  ::unsetenv("XDG_CACHE_HOME");
  CHECK(TrialCache::default_directory() == "/home/someone/.cache/saturn/trials");
  ::unsetenv("HOME");
  CHECK(TrialCache::default_directory().empty());
}

TEST_CASE("the key of a command's trial has its manifest and the files that it names, and no worker") {
  const test::TemporaryDirectory directory;
  write_file_atomically(directory / "train.py", "one");
  PlannedTrial trial = planned();
  trial.task = std::make_shared<TaskSpec>(test::script_task("t"));
  trial.parallelism = test::command("c", "train.py", directory.path());
  const Cluster cluster = test::slots(1);
  TrialConditions now = conditions();
  const std::string key = trial_key(trial, cluster, now);
  now.worker = "worker 2";
  CHECK(trial_key(trial, cluster, now) == key);
  write_file_atomically(directory / "train.py", "two");
  const std::string changed = trial_key(trial, cluster, now);
  CHECK(changed != key);
  trial.parallelism.command.environment["A"] = "1";
  CHECK(trial_key(trial, cluster, now) != changed);
}

}  // namespace saturn::cache_test
