// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "profile/trials.h"

namespace saturn::test {

inline TaskSpec small_task(const std::string& name, std::int64_t width = 64) {
  TaskSpec task;
  task.name = name;
  task.model.gpt = {.layers = 2, .heads = 2, .width = width, .context = 32};
  task.data.files = {"/data/text"};
  task.batch_size = 8;
  task.steps = 100;
  return task;
}

inline Manifest manifest(const std::string& name, std::vector<std::int64_t> devices = {}) {
  Manifest result;
  result.name = name;
  result.devices = std::move(devices);
  return result;
}

inline TaskSpec script_task(const std::string& name) {
  TaskSpec task;
  task.name = name;
  task.model.kind = task.data.kind = "";
  task.script = true;
  task.arguments = {{"lr", "0.1"}, {"depth", "2"}};
  task.same_speed = {"lr"};
  return task;
}

/// Starts `word` in `directory`.
inline Manifest command(const std::string& name, const std::string& word,
                        const std::string& directory = "/") {
  Manifest result = manifest(name, {1});
  result.kind = "command";
  result.command.argv = {word};
  result.command.working_directory = directory;
  return result;
}

/// One node "local" of CPU slots with a core each.
inline Cluster slots(int count, const std::string& node = "local") {
  Cluster cluster{{{node, "cpu", {}}}};
  for (int i = 0; i < count; ++i) cluster.nodes[0].devices.push_back({i, {i}, Bytes{1} << 30});
  return cluster;
}

inline Machine machine() {
  return {{0, 1, 2, 3}, Bytes{1} << 33, "Fast Processor 9000"};
}

inline Measured measured(double step_seconds) {
  return {.step_seconds = step_seconds,
          .spread = 0.02,
          .steps = 20,
          .peak_memory_bytes = 300 << 20,
          .startup_seconds = 1.5,
          .checkpoint_seconds = 0.25,
          .checkpoint_held_seconds = 0.125,
          .validation_seconds = 0.5,
          .total_steps = 1000};
}

}  // namespace saturn::test
