// SPDX-License-Identifier: Apache-2.0
#include "script/script_files.h"

#include <cmath>
#include <doctest/doctest.h>

#include "temporary_directory.h"

namespace saturn::script_files_test {
namespace fs = std::filesystem;

namespace {

std::string save(const test::TemporaryDirectory& task, ScriptCheckpoints& checkpoints, std::int64_t step) {
  const std::string path = task / ("checkpoints/" + std::to_string(step));
  make_directories(path);
  checkpoints.add(step, path);
  return path;
}

}  // namespace

TEST_CASE("the latest checkpoints are kept, by a new owner too") {
  const test::TemporaryDirectory task;
  ScriptCheckpoints checkpoints(task.path(), 2);
  CHECK(checkpoints.latest().path.empty());
  const std::string first = save(task, checkpoints, 1);
  save(task, checkpoints, 2);
  const std::string third = save(task, checkpoints, 3);
  CHECK_FALSE(fs::exists(first));
  const ScriptCheckpoints again(task.path(), 2);
  CHECK(again.latest().step == 3);
  CHECK(again.latest().path == third);
}

TEST_CASE("a checkpoint that is gone is passed over; one file written again and again is one checkpoint") {
  const test::TemporaryDirectory task;
  ScriptCheckpoints checkpoints(task.path(), 2);
  save(task, checkpoints, 1);
  fs::remove(save(task, checkpoints, 2));
  CHECK(checkpoints.latest().step == 1);
  make_directories(task / "checkpoints");
  write_file_atomically(task / "checkpoints/last", "x");
  for (int step = 5; step < 9; ++step) checkpoints.add(step, "last");
  CHECK(checkpoints.latest().step == 8);
  CHECK(checkpoints.latest().path == (task / "checkpoints/last").string());
}

TEST_CASE("a checkpoint that a script does not get over is passed over for the one before") {
  const test::TemporaryDirectory task;
  ScriptCheckpoints checkpoints(task.path(), 2);
  save(task, checkpoints, 1);
  const std::string second = save(task, checkpoints, 2);
  checkpoints.note_failed_start(checkpoints.latest());
  CHECK(checkpoints.latest().step == 1);
  CHECK(ScriptCheckpoints(task.path(), 2).latest().step == 1);
  checkpoints.note_failed_start(checkpoints.latest());
  CHECK(checkpoints.latest().step == 2);  // it was not the checkpoint: the latest again
  save(task, checkpoints, 1);
  CHECK(checkpoints.latest().step == 1);  // what came after it is no longer of this training
  CHECK_FALSE(fs::exists(second));
}

TEST_CASE("what lies outside of the checkpoints folder is not removed") {
  const test::TemporaryDirectory task;
  ScriptCheckpoints checkpoints(task.path(), 1);
  write_file_atomically(task / "mine", "x");
  checkpoints.add(1, task / "mine");
  checkpoints.add(2, task / "checkpoints/../mine2");
  save(task, checkpoints, 3);
  CHECK(fs::exists(task / "mine"));
}

TEST_CASE("a damaged list counts as none") {
  const test::TemporaryDirectory task;
  write_file_atomically(task / "checkpoints.json", "{\"schema\": ");
  CHECK(ScriptCheckpoints(task.path(), 1).latest().path.empty());
}

TEST_CASE("metrics go on after the checkpoint's step") {
  const test::TemporaryDirectory task;
  const fs::path file = task / "metrics.jsonl";
  {
    ScriptMetrics metrics(file, 0);
    CHECK(std::isnan(metrics.last_loss()));
    metrics.add(1, 2.5, 0, {});
    metrics.add_validation(1, 3);
    metrics.add(2, 2.25, 0.5, {{"accuracy", 0.75}, {"validation_loss", 9}});
    metrics.add_validation(2, NAN);
    metrics.add(3, NAN, 0.5, {});
  }
  CHECK(read_file(file) ==
        "{\"step\":1,\"loss\":2.5}\n{\"step\":1,\"validation_loss\":3.0}\n"
        "{\"step\":2,\"loss\":2.25,\"step_seconds\":0.5,\"accuracy\":0.75,\"validation_loss\":9.0}\n"
        "{\"step\":2,\"validation_loss\":null}\n"
        "{\"step\":3,\"loss\":null,\"step_seconds\":0.5}\n");
  const ScriptMetrics again(file, 2);
  CHECK(again.last_loss() == 2.25);
  CHECK(std::isnan(again.last_validation()));
  REQUIRE(again.validations().size() == 2);
  CHECK(again.validations()[0] == ValidationPoint{1, 3});
  CHECK(again.validations()[1].step == 2);
  CHECK(std::isnan(again.validations()[1].loss));
  CHECK(read_file(file).find("\"step\":3") == std::string::npos);
}

}  // namespace saturn::script_files_test
