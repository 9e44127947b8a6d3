// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "launch/simulated_launcher.h"
#include "plan/plan.h"
#include "profile/profile.h"
#include "run/executor.h"

namespace saturn {

/// Where a task's first gang dies, if it comes there.
struct Death {
  std::int64_t step = 0;
  bool out_of_memory = false;  ///< it says so; else it is killed
};

/// How the truth of a simulated run differs from its profile.
struct Simulation {
  /// Every task's steps take longer or shorter by a factor of its own, and each report's by another one, both
  /// exp(noise x a standard normal value).
  double noise = 0;
  std::uint64_t seed = 0;
  std::map<std::string, double> speeds{};  ///< by task: 0.8 = its steps take 1/0.8 times as long
  std::vector<Outage> outages{};
  std::map<std::string, Death> deaths{};       ///< by task
  std::map<std::string, std::int64_t> ends{};  ///< by task: the step after which its stop rule ends it
  /// After a task's step; none: nothing is trained, and losses are no numbers.
  std::function<double(const std::string&, std::int64_t)> loss{};
  std::int64_t look_work = 200'000;  ///< steps of the solver for a look at the plan (SolveOptions::work)
  bool introspect = true;            ///< false: one plan from the beginning to the end
};

struct SimulatedRun {
  RunEnd end = RunEnd::kDone;
  std::vector<TaskSpec> tasks;  ///< that it was of at the end
  RunState state;
  Plan plan;  ///< in force at the end
  std::vector<Record> records;
};

/// Runs the plan on from `state` through the executor, its journal in memory, in simulated time: gangs take
/// as long as the profile says, but for what `simulation` says. A look at the plan takes no time. `clock` is
/// moved; messages come with it. `requests` (null: none): changes of its tasks on the way, asked for at every
/// event. Same inputs, same run. Errors: InputError (a running configuration that the profile does not have).
SimulatedRun simulate(const RunSetup& setup, const Profile& profile, const Plan& plan, const RunState& state,
                      const Simulation& simulation, ManualClock& clock, RunObserver& observer,
                      RunRequests* requests = nullptr);

}  // namespace saturn
