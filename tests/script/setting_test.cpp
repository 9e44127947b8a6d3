// SPDX-License-Identifier: Apache-2.0
#include "script/setting.h"

#include <doctest/doctest.h>
#include <signal.h>

namespace saturn::setting_test {

namespace {

Job script_job() {
  Job job;
  job.task.name = "a";
  job.task.script = true;
  job.task.steps = 50;
  job.task.arguments = {{"lr", "0.1"}};
  job.command = CommandSpec{};
  job.command->argv = {"run", "{arguments}"};
  job.command->resume = {"--from", "{checkpoint}"};
  job.command->environment = {{"OMP_NUM_THREADS", "{knobs.threads}"}};
  job.command->working_directory = "/w";
  job.knob_candidates = {{"threads", {"7", "8"}}};
  job.devices = {{0, {2, 3}, 100}, {1, {4, 5}, 100}};
  job.directory = "/run/a";
  return job;
}

ScriptSpec spec_of(const Job& job, const SavedCheckpoint& checkpoint = {}) {
  ScriptStart start;
  start.checkpoint = checkpoint;
  start.python_helper = "/helper";
  start.python_path = "/mine";
  return script_spec(job, start);
}

}  // namespace

TEST_CASE("a script gets its words, its cores, its memory and the variables of the protocol") {
  const ScriptSpec spec = spec_of(script_job());
  CHECK(spec.process.argv == std::vector<std::string>{"run", "--lr=0.1"});
  CHECK(spec.process.working_directory == "/w");
  CHECK(spec.process.cores == std::vector<int>{2, 3, 4, 5});
  CHECK(spec.process.stop_signal == SIGTERM);
  CHECK(spec.memory_budget == 200);
  const auto& variables = spec.process.environment;
  CHECK(variables.at("CUDA_VISIBLE_DEVICES").empty());
  CHECK(variables.at("OMP_NUM_THREADS") == "7");  // the manifest's word is the last
  CHECK(variables.at("MKL_NUM_THREADS") == "2");  // of one device
  CHECK(variables.at("PYTHONPATH") == "/mine:/helper");
  CHECK(variables.at("SATURN_TASK") == "a");
  CHECK(variables.at("SATURN_MODE") == "train");
  CHECK(variables.at("SATURN_DEVICES") == "2");
  CHECK(variables.at("SATURN_STEPS") == "50");
  CHECK(variables.at("SATURN_CHECKPOINTS") == "/run/a/checkpoints");
  CHECK(variables.at("SATURN_CHECKPOINT").empty());
  CHECK(variables.at("SATURN_STOP_FILE") == "/run/a/stop");
}

TEST_CASE("a script goes on from a checkpoint by its argument and by variables") {
  const ScriptSpec spec = spec_of(script_job(), {20, "/c"});
  CHECK(spec.process.argv == std::vector<std::string>{"run", "--lr=0.1", "--from", "/c"});
  CHECK(spec.process.environment.at("SATURN_CHECKPOINT") == "/c");
  CHECK(spec.process.environment.at("SATURN_STEP") == "20");
}

TEST_CASE("on GPUs a script sees its devices, and their memory is theirs to watch") {
  Job job = script_job();
  job.device_kind = "h100";
  job.devices[1].uuid = "GPU-1";
  job.command->stop_signal = "none";
  const ScriptSpec spec = spec_of(job);
  CHECK(spec.process.environment.at("CUDA_VISIBLE_DEVICES") == "0,GPU-1");
  CHECK(spec.memory_budget == 0);
  CHECK(spec.process.stop_signal == 0);
}

}  // namespace saturn::setting_test
