// SPDX-License-Identifier: Apache-2.0
#include "profile/profile.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "profile/fixtures.h"
#include "schema_validator.h"
#include "temporary_directory.h"

namespace saturn::profile_test {
using test::measured;

namespace {

Profile example() {
  Profile profile;
  profile.hardware = "Fast Processor 9000; cpu: 2 devices of 1 core and 1 GiB";
  profile.trials_key = "0123456789abcdef";
  profile.tasks = {{"small", "gpt a"}, {"large", "gpt b"}};
  profile.trials = {
      {"gpt a", "ddp", 1, "cpu", {{"bucket_mb", "25"}}, measured(0.125)},
      {"gpt a", "ddp", 1, "cpu", {{"bucket_mb", "1"}}, measured(0.25)},
      {"gpt a", "ddp", 2, "cpu", {}, TrialFailed{"rank 1 exited with code 3", "last words\n"}},
      {"gpt b", "ddp", 1, "cpu", {}, OutOfMemory{"needs 2 GiB, the slot has 1 GiB"}},
      {"gpt b", "ddp", 2, "cpu", {}, NotApplicable{"batch of 3 does not divide"}},
      {"gpt b", "ddp", 2, "cpu", {}, OutOfMemory{"needs 2 GiB, the slot has 1 GiB"}, 2},
  };
  return profile;
}

std::string error_of(const std::string& text) {
  const test::TemporaryDirectory directory;
  const auto file = directory / "profile.json";
  write_file_atomically(file, text);
  try {
    (void)read_profile(file);
  } catch (const InputError& error) {
    std::string message = error.what();
    for (size_t at; (at = message.find(file.string())) != std::string::npos;) {
      message.replace(at, file.string().size(), "profile.json");
    }
    return message;
  }
  return "no error";
}

}  // namespace

TEST_CASE("a profile is written and read back unchanged") {
  const test::TemporaryDirectory directory;
  write_profile(directory / "profile.json", example());
  CHECK(read_profile(directory / "profile.json") == example());
}

TEST_CASE("a profile's JSON is ordered and diffs well") {
  Profile profile = example();
  profile.tasks.resize(1);
  profile.trials.resize(1);
  CHECK(to_json(profile).dump(2) == R"({
  "schema": "saturn.profile/1",
  "hardware": "Fast Processor 9000; cpu: 2 devices of 1 core and 1 GiB",
  "trials_key": "0123456789abcdef",
  "tasks": [
    {
      "task": "small",
      "signature": "gpt a"
    }
  ],
  "trials": [
    {
      "signature": "gpt a",
      "parallelism": "ddp",
      "devices": 1,
      "device_kind": "cpu",
      "knobs": {
        "bucket_mb": "25"
      },
      "outcome": "measured",
      "step_seconds": 0.125,
      "spread": 0.02,
      "steps": 20,
      "peak_memory_bytes": 314572800,
      "startup_seconds": 1.5,
      "checkpoint_seconds": 0.25,
      "checkpoint_held_seconds": 0.125,
      "validation_seconds": 0.5,
      "unstable": false,
      "total_steps": 1000
    }
  ]
})");
}

TEST_CASE("the JSON Schema says what is written, key by key") {
  const Document schema = read_json(SATURN_PROFILE_SCHEMA);
  const Document profile = parse_json("profile.json", to_json(example()).dump(2));
  CHECK(test::validate(profile.root, schema.root).empty());
  CHECK(test::keys_of(profile.root) == test::keys_of(*schema.root.find("properties")));
  std::set<std::string> written;
  for (const Value& trial : profile.root.find("trials")->items) written.merge(test::keys_of(trial));
  CHECK(written == test::keys_of(*schema.root.find("$defs")->find("trial")->find("properties")));
  const Document bad =
      parse_json("profile.json", R"({"schema": "saturn.profile/1", "hardware": "x", "tasks": 7})");
  CHECK_FALSE(test::validate(bad.root, schema.root).empty());
}

TEST_CASE("the best trial is the fastest measured one of its key") {
  const Profile profile = example();
  const Trial* best = best_trial(profile, "gpt a", "ddp", 1, "cpu");
  REQUIRE(best != nullptr);
  CHECK(best->knobs.at("bucket_mb") == "25");
  CHECK(best_trial(profile, "gpt a", "ddp", 2, "cpu") == nullptr);
  CHECK(best_trial(profile, "gpt a", "ddp", 1, "gpu") == nullptr);
  CHECK(best_trial(profile, "gpt a", "fsdp", 1, "cpu") == nullptr);
  CHECK(best_trial(profile, "gpt a", "ddp", 1, "cpu", 2) == nullptr);
}

TEST_CASE("a gang across nodes is a key of its own") {
  Profile profile = example();
  profile.trials.push_back({"gpt a", "ddp", 4, "cpu", {}, measured(1), 2});
  CHECK(best_trial(profile, "gpt a", "ddp", 4, "cpu") == nullptr);
  REQUIRE(best_trial(profile, "gpt a", "ddp", 4, "cpu", 2) != nullptr);
  CHECK(to_json(profile.trials.back()).dump().find(R"("devices":4,"nodes":2,"device_kind":"cpu")") !=
        std::string::npos);
  const std::string error = error_of(
      "{\"schema\": \"saturn.profile/1\", \"hardware\": \"x\", \"tasks\": [], \"trials\": [\n"
      "{\"signature\": \"s\", \"parallelism\": \"p\", \"devices\": 5, \"nodes\": 2, \"device_kind\": "
      "\"cpu\", "
      "\"outcome\": \"out_of_memory\"}]}");
  CHECK(error.find("'nodes' is 2, by which 'devices' (5) cannot be divided") != std::string::npos);
  CHECK(error.find("profile.json:2:") == 0);
}

TEST_CASE("ordering puts keys in order and the fastest candidate first, failures last as they came") {
  std::vector<Trial> trials = {{"b", "ddp", 1, "cpu", {}, measured(1)},
                               {"a", "ddp", 2, "cpu", {}, measured(1)},
                               {"a", "ddp", 1, "cpu", {{"k", "oom"}}, OutOfMemory{"m"}},
                               {"a", "ddp", 1, "cpu", {{"k", "failed"}}, TrialFailed{"w", ""}},
                               {"a", "ddp", 1, "cpu", {{"k", "slow"}}, measured(3)},
                               {"a", "ddp", 1, "cpu", {{"k", "fast"}}, measured(2)}};
  order_trials(trials);
  std::string order;
  for (const Trial& trial : trials) {
    order += trial.signature + std::to_string(trial.devices) + to_text(trial.knobs) + " ";
  }
  CHECK(order == "a1k=fast a1k=slow a1k=oom a1k=failed a2 b1 ");
}

TEST_CASE("the hash of a profile changes with a figure") {
  Profile other = example();
  std::get<Measured>(other.trials[0].outcome).step_seconds = 0.126;
  CHECK(profile_hash(example()) == profile_hash(example()));
  CHECK(profile_hash(other) != profile_hash(example()));
}

TEST_CASE("figures survive the file to the last bit, so that the hash does") {
  const test::TemporaryDirectory directory;
  Profile profile = example();
  profile.trials.resize(1);
  auto& figures = std::get<Measured>(profile.trials[0].outcome);
  for (const double awkward : {0.1 + 0.2, 1e-5, 1.0 / 3, 1e-12, 123456789.123456789}) {
    figures.step_seconds = figures.startup_seconds = figures.spread = awkward;
    write_profile(directory / "profile.json", profile);
    const Profile read = read_profile(directory / "profile.json");
    CHECK(read == profile);
    CHECK(profile_hash(read) == profile_hash(profile));
  }
}

TEST_CASE("everything wrong with an edited profile is reported at its place") {
  CHECK(error_of(R"({
  "schema": "saturn.profile/1",
  "hardware": "x",
  "tasks": [{"task": "t"}],
  "trials": [
    {"signature": "s", "parallelism": "ddp", "devices": 0, "device_kind": "cpu", "outcome": "measured",
     "step_seconds": -1, "startup_seconds": 0, "checkpoint_seconds": 0, "validation_seconds": 0},
    {"signature": "s", "parallelism": "ddp", "devices": 1, "device_kind": "cpu", "outcome": "mesured"},
    {"signature": "s", "parallelism": "ddp", "devices": 1, "device_kind": "cpu", "knobs": [],
     "outcome": "failed", "wy": "x"}
  ]
})") == R"(profile.json:4:13: error: task: missing key 'signature'
     4 |   "tasks": [{"task": "t"}],
       |             ^
profile.json:6:57: error: trial: 'devices' must be at least 1, not 0
     6 |     {"signature": "s", "parallelism": "ddp", "devices": 0, "device_kind": "cpu", "outcome": "measured",
       |                                                         ^
profile.json:7:22: error: trial: 'step_seconds' must be a duration such as 90s, 5m or 1h30m, not the number -1
     7 |      "step_seconds": -1, "startup_seconds": 0, "checkpoint_seconds": 0, "validation_seconds": 0},
       |                      ^
profile.json:8:93: error: trial: 'outcome' must be one of measured, out_of_memory, not_applicable, failed, not the text 'mesured' (did you mean 'measured'?)
     8 |     {"signature": "s", "parallelism": "ddp", "devices": 1, "device_kind": "cpu", "outcome": "mesured"},
       |                                                                                             ^
profile.json:9:91: error: trial: 'knobs' must be a map, not a list
     9 |     {"signature": "s", "parallelism": "ddp", "devices": 1, "device_kind": "cpu", "knobs": [],
       |                                                                                           ^
profile.json:10:27: error: trial: unknown key 'wy' (did you mean 'why'?)
    10 |      "outcome": "failed", "wy": "x"}
       |                           ^)");
}

TEST_CASE("another schema is refused") {
  CHECK(error_of(R"({"schema": "saturn.plan/1", "hardware": "x", "tasks": [], "trials": []})") ==
        R"(profile.json:1:12: error: profile: 'schema' must be saturn.profile/1, not the text 'saturn.plan/1'
     1 | {"schema": "saturn.plan/1", "hardware": "x", "tasks": [], "trials": []}
       |            ^)");
}

TEST_CASE("a truncated profile is said to be truncated") {
  const std::string text = to_json(example()).dump(2);
  CHECK(error_of(text.substr(0, 100)) ==
        R"(profile.json:3:66: error: the JSON ends in the middle: the file is truncated
     3 |   "hardware": "Fast Processor 9000; cpu: 2 devices of 1 core and 1
       |                                                                  ^)");
}

TEST_CASE("a script's length is what it told when it was tried") {
  const TaskSpec task = test::script_task("s");
  Profile profile;
  CHECK(steps_told(profile, task) == 0);
  profile.trials = {{speed_signature(task), "c", 1, "cpu", {}, OutOfMemory{""}},
                    {speed_signature(task), "c", 2, "cpu", {}, test::measured(1)}};
  CHECK(steps_told(profile, task) == 1000);
}

}  // namespace saturn::profile_test
