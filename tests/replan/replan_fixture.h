// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plan/make_problem.h"
#include "plan/solve.h"
#include "replan/remaining.h"

namespace saturn::test {

/// Tasks on one node of two devices: every task was measured on 1 device (1 s a step) and on 2 (0.6 s a
/// step); start-up 2 s, checkpoint 1 s.
struct ReplanFixture {
  RunSetup setup;
  Profile profile;
  RunState state;
  Plan plan;

  ReplanFixture() {
    setup.cluster.nodes = {{"n0", "cpu", {{0, {0}, 0}, {1, {1}, 0}}}};
    setup.manifests = {{.name = "ddp", .description = "", .kind = "native", .library = "/ddp.so"}};
    setup.settings.checkpoint_interval_seconds = 0;
  }

  /// Tasks of another width have another speed signature.
  void add(const std::string& name, std::int64_t steps, std::int64_t width = 32) {
    TaskSpec task;
    task.name = name;
    task.steps = steps;
    task.batch_size = 8;
    task.model.gpt = {1, 1, width, 32, 256};
    setup.tasks.push_back(task);
    const std::string signature = speed_signature(task);
    profile.tasks.push_back({name, signature});
    if (best_trial(profile, signature, "ddp", 1, "cpu") != nullptr) return;
    for (const int devices : {1, 2}) {
      const Measured measured{.step_seconds = devices == 1 ? 1 : 0.6,
                              .steps = 10,
                              .startup_seconds = 2,
                              .checkpoint_seconds = 1,
                              .validation_seconds = 0};
      profile.trials.push_back({signature, "ddp", devices, "cpu", {}, measured});
    }
    order_trials(profile.trials);
  }
  void assign(const std::string& task, std::vector<int> devices, double start, double duration) {
    plan.assignments.push_back({.task = task,
                                .parallelism = "ddp",
                                .knobs = {},
                                .node = "n0",
                                .devices = std::move(devices),
                                .start_seconds = start,
                                .duration_seconds = duration});
  }
  /// A gang of the task is training on those devices and has come to that step, at that speed.
  void run(const std::string& task, std::vector<int> devices, std::int64_t step, double step_seconds) {
    apply(state, GangStarted{0, task, "ddp", {}, "n0", std::move(devices), 0});
    apply(state, GangReleased{2, task, 0, 2});
    state.tasks[task].live_step = step;
    state.tasks[task].step_seconds = step_seconds;
  }
  RemainingInputs inputs() const { return {setup, profile, state, plan}; }
};

}  // namespace saturn::test
