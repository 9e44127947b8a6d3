// SPDX-License-Identifier: Apache-2.0
#include "launch/job.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "temporary_directory.h"

namespace saturn::job_test {
namespace {

Job example() {
  Job job;
  job.mode = Job::Mode::kTrial;
  job.task.name = "small";
  job.task.model.gpt = {2, 2, 32, 16, 256};
  job.task.data.files = {"/data/a.txt"};
  job.task.batch_size = 4;
  job.task.steps = 10;
  job.parallelism = "ddp";
  job.library = "/lib/ddp.so";
  job.knobs = {{"bucket_mb", "25"}};
  job.knob_candidates = {{"bucket_mb", {"1", "25"}}};
  job.devices = {{0, {0}, 1 << 20}, {1, {1}, 1 << 20}};
  job.directory = "/runs/small";
  job.used_seconds = 1.25e-5;
  job.stop_grace_seconds = 7;
  job.nodes = {{"n0", 1}, {"n1", 1}};
  return job;
}

TEST_CASE("a job file reads back as the job that was written") {
  const test::TemporaryDirectory directory;
  const Job job = example();
  write_file_atomically(directory / "job.json", to_json(job).dump(2));
  const Job read = read_job(directory / "job.json");
  CHECK(to_json(read).dump() == to_json(job).dump());
  CHECK(read.world_size() == 2);
  CHECK(read.used_seconds == 1.25e-5);
  CHECK(read.stop_grace_seconds == 7);
  CHECK(read.nodes == job.nodes);
  CHECK_FALSE(to_json(Job{}).contains("nodes"));
}

TEST_CASE("a job file with errors names each with its place") {
  const test::TemporaryDirectory directory;
  nlohmann::ordered_json json = to_json(example());
  json["mode"] = "tain";
  json["devices"] = nlohmann::ordered_json::array();
  json.erase("nodes");
  const std::string file = directory / "job.json";
  write_file_atomically(file, json.dump());
  try {
    (void)read_job(file);
    FAIL("the job was accepted");
  } catch (const InputError& error) {
    REQUIRE(error.diagnostics().size() == 2);
    CHECK(error.diagnostics()[0].message.find("(did you mean 'train'?)") != std::string::npos);
    CHECK(error.diagnostics()[1].message == "job: 'devices' at least one is needed");
  }
}

TEST_CASE("a job's nodes have the ranks that it has") {
  const test::TemporaryDirectory directory;
  nlohmann::ordered_json json = to_json(example());
  json["nodes"][1]["ranks"] = 2;
  const std::string file = directory / "job.json";
  write_file_atomically(file, json.dump());
  CHECK_THROWS_WITH_AS((void)read_job(file), doctest::Contains("there are 3 ranks on them and 2 devices"),
                       InputError);
}

TEST_CASE("rank 0 of a gang on several nodes is handed the socket at which it listens") {
  Job job = example();
  const std::vector<std::string> listener{"--listener", "{listener}"};
  auto ranks = rank_commands({"/bin/worker", "/bin/saturn"}, job, "job.json");
  CHECK(std::vector<std::string>(ranks[0].end() - 2, ranks[0].end()) == listener);
  CHECK(ranks[1].back() == "{rendezvous}");
  job.nodes = {{"n0", 2}};
  ranks = rank_commands({"/bin/worker", "/bin/saturn"}, job, "job.json");
  CHECK(ranks[0].back() == "{rendezvous}");
}

}  // namespace
}  // namespace saturn::job_test
