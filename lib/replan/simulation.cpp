// SPDX-License-Identifier: Apache-2.0
#include "replan/simulation.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <numbers>
#include <random>
#include <utility>

#include "base/error.h"
#include "replan/introspection.h"
#include "replan/observed.h"

namespace saturn {
namespace {

/// Reports of a gang's steps between two looks at the plan: enough for its speed to be trusted.
constexpr double kReportsPerLook = 8;
/// And without looks, in a whole run.
constexpr double kReportsPerRun = 20;
/// But not so few that a look knows only where a gang was long ago,
constexpr double kLongestReportSeconds = 30;
/// nor that a gang is taken for hung: this share of the time after which it is, since noise stretches it.
constexpr double kSilence = 0.25;

/// Looks at once, and takes no time for it.
class ImmediateIntrospector final : public Introspector {
 public:
  ImmediateIntrospector(const Profile& profile, const Simulation& simulation, Launcher& launcher)
      : profile_(profile),
        launcher_(launcher),
        options_{.seed = simulation.seed, .work = simulation.look_work} {}

  void consider(const RunSetup& setup, const RunState& state, const Plan& current,
                const std::string& reason) override {
    try {
      proposal_ = reconsider({setup, profile_, state, current}, reason,
                             setup.settings.introspection_threshold, options_);
    } catch (const InputError& error) {
      proposal_ = Proposal{.reason = reason, .plan = {}, .failure = error.what()};
    }
    launcher_.wake();
  }
  std::optional<Proposal> take() override { return std::exchange(proposal_, std::nullopt); }

 private:
  const Profile& profile_;
  Launcher& launcher_;
  SolveOptions options_;
  std::optional<Proposal> proposal_;
};

/// Factors about 1, the same ones on every machine.
class Noise {
 public:
  Noise(double size, std::uint64_t seed, const std::string& name) : size_(size) {
    std::seed_seq mixed(name.begin(), name.end());
    std::vector<std::uint32_t> words(2);
    mixed.generate(words.begin(), words.end());
    bits_.seed(seed ^ (std::uint64_t{words[0]} << 32 | words[1]));
  }
  double factor() {
    if (size_ <= 0) return 1;
    // Box and Muller's: the library's normal distribution differs from one to the next.
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return std::exp(size_ * radius * std::cos(2 * std::numbers::pi * uniform()));
  }

 private:
  double uniform() { return static_cast<double>(bits_() >> 11) * 0x1p-53; }

  double size_;
  std::mt19937_64 bits_;
};

class Behaviours {
 public:
  Behaviours(const RunSetup& setup, const Profile& profile, const Simulation& simulation)
      : setup_(setup), profile_(profile), simulation_(simulation), deaths_(simulation.deaths) {}

  SimulatedGang operator()(const GangSpec& spec) {
    const Job& job = spec.job;
    // What counts is how many there are, not which.
    const size_t nodes = std::max<size_t>(1, job.nodes.size());
    const std::vector<int> part(job.devices.size() / nodes);
    const GangStarted gang{0,
                           spec.name,
                           job.parallelism,
                           job.knobs,
                           spec.node,
                           part,
                           0,
                           std::vector<NodeDevices>(nodes - 1, {"", part})};
    const Measured* measured = measured_for(job.task, job.device_kind, profile_, gang);
    if (measured == nullptr) {
      throw InputError(
          fmt::format("task '{}' has not been profiled by {} on {} device(s){}: it cannot be simulated",
                      spec.name, job.parallelism, device_count(gang), across_text(node_count(gang))));
    }
    SimulatedGang result = behaviour(job, *measured);
    const auto death = deaths_.find(spec.name);
    if (death == deaths_.end()) return result;
    result.dies_at_step = death->second.step;
    if (death->second.out_of_memory)
      result.fails_with = Failed{Failed::Reason::kOutOfMemory, "out of memory: simulated"};
    deaths_.erase(death);
    return result;
  }

 private:
  double slowness(const std::string& task) const {
    const auto told = simulation_.speeds.find(task);
    const double speed = told == simulation_.speeds.end() ? 1 : told->second;
    return Noise(simulation_.noise, simulation_.seed, task).factor() / speed;
  }

  SimulatedGang behaviour(const Job& job, const Measured& measured) const {
    SimulatedGang gang;
    const double interval = setup_.settings.introspection_interval_seconds;
    gang.startup_seconds = measured.startup_seconds;
    gang.step_seconds = measured.step_seconds * slowness(job.task.name);
    gang.steps = job.task.steps;
    const double report = interval > 0 ? interval / kReportsPerLook
                                       : static_cast<double>(gang.steps) * gang.step_seconds / kReportsPerRun;
    const double longest = std::min(kLongestReportSeconds, kSilence * setup_.settings.hang_timeout_seconds);
    gang.report_every_steps =
        std::max<std::int64_t>(1, std::llround(std::min(report, longest) / gang.step_seconds));
    gang.checkpoint_every_steps = job.task.checkpoint_every_steps;
    if (gang.checkpoint_every_steps == 0) gang.checkpoint_every_seconds = job.checkpoint_interval_seconds;
    gang.checkpoint_held_seconds = measured.checkpoint_held_seconds;
    gang.checkpoint_seconds = measured.checkpoint_seconds;
    gang.validation_seconds = measured.validation_seconds;
    gang.validate_every_steps =
        job.task.validate_every_steps > 0 ? job.task.validate_every_steps : gang.steps;
    gang.validate_at = job.validate_at;
    const auto noise = std::make_shared<Noise>(simulation_.noise, simulation_.seed + 1, job.task.name);
    gang.stretch = [noise] { return noise->factor(); };
    gang.loss = [&simulation = simulation_, task = job.task.name](std::int64_t step) {
      return simulation.loss ? simulation.loss(task, step) : std::nan("");
    };
    const auto end = simulation_.ends.find(job.task.name);
    if (end != simulation_.ends.end() && end->second < gang.steps) {
      gang.steps = end->second;
      gang.ends_early = "simulated";
    }
    return gang;
  }

  const RunSetup& setup_;
  const Profile& profile_;
  const Simulation& simulation_;
  std::map<std::string, Death> deaths_;  ///< still to come
};

}  // namespace

SimulatedRun simulate(const RunSetup& setup, const Profile& profile, const Plan& plan, const RunState& state,
                      const Simulation& simulation, ManualClock& clock, RunObserver& observer,
                      RunRequests* requests) {
  SimulatedWorld world{.behaviour = Behaviours(setup, profile, simulation), .outages = simulation.outages};
  for (const auto& [name, task] : state.tasks) world.checkpoints[name] = task.step;
  const auto launcher = make_simulated_launcher(clock, std::move(world));
  ImmediateIntrospector introspector(profile, simulation, *launcher);
  MemoryStore store;
  const Interrupt interrupt;
  RunEffects effects{.launcher = *launcher,
                     .clock = clock,
                     .store = store,
                     .observer = observer,
                     .interrupt = interrupt,
                     .introspector = simulation.introspect ? &introspector : nullptr,
                     .requests = requests,
                     .tick = Seconds(1e9)};
  Executor executor(setup, plan, state, effects);
  const RunEnd end = executor.run();
  return {end, executor.setup().tasks, executor.state(), executor.plan(), store.records()};
}

}  // namespace saturn
