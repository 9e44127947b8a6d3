// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "launch/simulated_launcher.h"
#include "run/executor.h"
#include "run/journal.h"
#include "temporary_directory.h"

namespace saturn::test {

/// A run in simulated time: one node "n0" with two devices unless changed, tasks added one by one.
struct RunFixture {
  TemporaryDirectory directory;
  ManualClock clock;
  RunSetup setup;
  Plan plan;
  std::map<std::string, SimulatedGang> behaviours;
  std::map<std::string, std::vector<SimulatedGang>> next_behaviours;  ///< of a task's later gangs, in order
  std::vector<Outage> outages;
  RunRequests* requests = nullptr;
  LiveTrials* trials = nullptr;
  std::vector<std::string> messages;
  Interrupt interrupt;
  std::vector<std::string> starts;  ///< "task@seconds"

  RunFixture() {
    setup.directory = {directory / "run"};
    setup.worker = "/bin/worker";
    setup.manifests = {{.name = "ddp", .description = "", .kind = "native", .library = "/ddp.so"}};
    setup.cluster.nodes = {{"n0", "cpu", {{0, {0}, 0}, {1, {1}, 0}}}};
    setup.settings.introspection_interval_seconds = 0;
  }

  void add(const std::string& task, std::vector<int> devices, double start, SimulatedGang behaviour = {}) {
    TaskSpec spec;
    spec.name = task;
    setup.tasks.push_back(spec);
    const double seconds =
        behaviour.startup_seconds + behaviour.step_seconds * static_cast<double>(behaviour.steps);
    plan.assignments.push_back({.task = task,
                                .parallelism = "ddp",
                                .knobs = {},
                                .node = "n0",
                                .devices = std::move(devices),
                                .start_seconds = start,
                                .duration_seconds = seconds});
    behaviours[task] = behaviour;
  }

  struct Recorder final : RunObserver {
    RunFixture& fixture;
    explicit Recorder(RunFixture& f) : fixture(f) {}
    void message(const std::string& text) override { fixture.messages.push_back(text); }
    void update(const RunState& state, const Plan& plan_now) override {
      if (fixture.on_update) fixture.on_update(state, plan_now);
    }
  };
  std::function<void(const RunState&, const Plan&)> on_update;
  /// What stands between the executor and the simulated launcher; empty: nothing does.
  std::function<std::unique_ptr<Launcher>(Launcher&)> around;

  /// Runs a session, as `saturn run` would: goes on from the journal.
  RunEnd run(Introspector* introspector = nullptr) {
    make_directories(setup.directory.path);
    const auto launcher = make_simulated_launcher(
        clock,
        {.behaviour =
             [this](const GangSpec& spec) {
               starts.push_back(spec.name + "@" + std::to_string(static_cast<int>(clock.now().count())));
               SimulatedGang behaviour = behaviours.at(spec.name);
               auto& later = next_behaviours[spec.name];
               if (!later.empty()) {
                 behaviours[spec.name] = later.front();
                 later.erase(later.begin());
               }
               return behaviour;
             },
         .outages = outages});
    Journal journal(setup.directory.journal_file());
    const auto store = make_directory_store(setup.directory, journal);
    Recorder recorder(*this);
    const std::unique_ptr<Launcher> told = around ? around(*launcher) : nullptr;
    Executor executor(
        setup, plan, replay(journal.past()),
        {told ? *told : *launcher, clock, *store, recorder, interrupt, introspector, requests, trials});
    const RunEnd end = executor.run();
    state = executor.state();
    plan = executor.plan();
    return end;
  }
  RunState state;
};

}  // namespace saturn::test
