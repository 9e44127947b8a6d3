// SPDX-License-Identifier: Apache-2.0
//
// Simulates sweeps whose speeds are not those of their profile, by the plan made at the beginning and with
// looks at the plan, and prints, tab-separated:
//   bench_introspection gains OPTIONS INSTANCE...    a line per instance
//   bench_introspection runs OPTIONS INSTANCE...     a line per run
//   bench_introspection curve OPTIONS INSTANCE...    a line for them all: interval, threshold, gains
//   bench_introspection journal OPTIONS INSTANCE     the messages and the journal of one run: the first
//   seed's
// Options, each NAME=VALUE: seeds, first, noise, error (task or class), interval, threshold, work, plan_work.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "plan/make_problem.h"
#include "plan/solve.h"
#include "planner_instance.h"
#include "replan/simulation.h"

namespace {

using namespace saturn;

constexpr std::int64_t kSteps = 20'000;
constexpr double kStartupSeconds = 60;
constexpr double kCheckpointSeconds = 30;
constexpr double kCheckpointIntervalSeconds = 600;
/// A speed error of a class of tasks goes with so much of it for each of its tasks and each report.
constexpr double kOwnShare = 0.25;

struct Options {
  int seeds = 10;
  std::uint64_t first = 1;
  double noise = 0.2;
  bool by_class = false;  ///< tasks of one class share their speed error
  double interval = 1000;
  double threshold = 0.05;
  std::int64_t work = 20'000;
  std::int64_t plan_work = 5'000'000;
};

/// A sweep, and its plan by the profile.
struct Sweep {
  RunSetup setup;
  Profile profile;
  std::vector<int> classes;  ///< of the tasks
  Plan plan;
};

struct Silent : RunObserver {
  void message(const std::string&) override {}
  void update(const RunState&, const Plan&) override {}
};
struct Printing final : Silent {
  void message(const std::string& text) override { fmt::print("{}\n", text); }
};

/// How one seed went.
struct Outcome {
  double one_shot = 0;
  double looked = 0;    ///< with looks at the plan
  double foreseen = 0;  ///< had the speeds been known when it was planned
  int plans = 0;        ///< adopted on the way
  int switches = 0;     ///< gangs that were stopped and started elsewhere
  double gain() const { return 100 * (1 - looked / one_shot); }
};

Cluster make_cluster(const Problem& instance) {
  Cluster cluster;
  for (const ProblemNode& node : instance.nodes) {
    cluster.nodes.push_back({node.name, node.kind, {}});
    for (size_t d = 0; d < node.free_at_seconds.size(); ++d)
      cluster.nodes.back().devices.push_back(
          {.index = static_cast<int>(d), .cores = {}, .uuid = "", .name = ""});
  }
  return cluster;
}

/// A task of the given class: another width, another speed signature.
TaskSpec make_task(const std::string& name, int speed_class) {
  TaskSpec task;
  task.name = name;
  task.steps = kSteps;
  task.batch_size = 8;
  task.model.gpt = {1, 1, 32 + 8 * speed_class, 32, 256};
  return task;
}

/// What was measured, if the whole task takes as long as the instance says.
Measured make_measured(const TaskSpec& task, const RunSettings& settings, double seconds) {
  Measured measured{.step_seconds = 0,
                    .steps = 10,
                    .startup_seconds = kStartupSeconds,
                    .checkpoint_seconds = kCheckpointSeconds};
  const double rest = seconds - duration_seconds(task, measured, settings, task.steps);
  if (rest <= 0) throw std::runtime_error(fmt::format("task '{}' is over before it has started", task.name));
  measured.step_seconds = rest / static_cast<double>(task.steps);
  return measured;
}

Sweep make_sweep(const std::string& file, const Options& options) {
  const Problem instance = read_instance(file);
  Sweep sweep;
  sweep.setup.cluster = make_cluster(instance);
  sweep.setup.manifests = {{.name = "any", .description = "", .kind = "native", .library = "/any.so"}};
  RunSettings& settings = sweep.setup.settings;
  settings.checkpoint_interval_seconds = kCheckpointIntervalSeconds;
  settings.introspection_interval_seconds = options.interval;
  settings.introspection_threshold = options.threshold;
  std::vector<const ProblemTask*> firsts;
  for (const ProblemTask& row : instance.tasks) {
    const auto same = std::find_if(firsts.begin(), firsts.end(), [&](const ProblemTask* first) {
      return first->configurations == row.configurations;
    });
    sweep.classes.push_back(static_cast<int>(same - firsts.begin()));
    const TaskSpec task = make_task(row.name, sweep.classes.back());
    const std::string signature = speed_signature(task);
    sweep.setup.tasks.push_back(task);
    sweep.profile.tasks.push_back({task.name, signature});
    if (same != firsts.end()) continue;
    firsts.push_back(&row);
    for (const Configuration& way : row.configurations)
      sweep.profile.trials.push_back({signature,
                                      way.parallelism,
                                      way.devices,
                                      way.device_kind,
                                      {},
                                      make_measured(task, settings, way.duration_seconds)});
  }
  order_trials(sweep.profile.trials);
  sweep.plan = solve(make_problem(sweep.setup.tasks, sweep.setup.cluster, sweep.profile, settings),
                     {.work = options.plan_work});
  return sweep;
}

Simulation make_simulation(const Sweep& sweep, const Options& options, std::uint64_t seed) {
  Simulation simulation{.noise = options.noise, .seed = seed};
  simulation.look_work = options.work;
  if (!options.by_class) return simulation;
  simulation.noise *= kOwnShare;
  std::mt19937_64 random(seed);
  std::normal_distribution<double> error(0, options.noise);
  std::vector<double> speeds(sweep.classes.size());
  for (double& speed : speeds) speed = std::exp(-error(random));
  for (size_t t = 0; t < sweep.classes.size(); ++t)
    simulation.speeds[sweep.setup.tasks[t].name] = speeds[static_cast<size_t>(sweep.classes[t])];
  return simulation;
}

SimulatedRun run(const Sweep& sweep, const Simulation& simulation, RunObserver& observer) {
  ManualClock clock;
  SimulatedRun result = simulate(sweep.setup, sweep.profile, sweep.plan, {}, simulation, clock, observer);
  if (result.end != RunEnd::kDone) throw std::runtime_error("a simulated run has failed");
  return result;
}

/// The makespan of a plan that knows each task's speed, as the run without looks has shown it.
double foreseen_seconds(const Sweep& sweep, const RunState& one_shot, const Options& options) {
  Problem problem = make_problem(sweep.setup.tasks, sweep.setup.cluster, sweep.profile, sweep.setup.settings);
  const double fixed = kStartupSeconds + kCheckpointSeconds;
  for (size_t t = 0; t < problem.tasks.size(); ++t) {
    const TaskState& state = one_shot.tasks.at(problem.tasks[t].name);
    const double slowness = (state.busy_seconds - fixed) / (state.planned_seconds - fixed);
    for (Configuration& way : problem.tasks[t].configurations)
      way.duration_seconds = fixed + slowness * (way.duration_seconds - fixed);
  }
  return solve(problem, {.work = options.plan_work}).makespan_seconds;
}

Outcome compare(const Sweep& sweep, const Options& options, std::uint64_t seed, bool foresee) {
  Silent silent;
  Simulation simulation = make_simulation(sweep, options, seed);
  const SimulatedRun looked = run(sweep, simulation, silent);
  simulation.introspect = false;
  const SimulatedRun one_shot = run(sweep, simulation, silent);
  Outcome outcome{one_shot.state.elapsed_seconds(), looked.state.elapsed_seconds()};
  if (foresee) outcome.foreseen = foreseen_seconds(sweep, one_shot.state, options);
  outcome.plans = static_cast<int>(looked.state.plans.size()) - 1;
  for (const auto& [name, task] : looked.state.tasks) outcome.switches += task.starts - 1;
  return outcome;
}

std::vector<Outcome> compare_all(const Sweep& sweep, const Options& options, bool foresee) {
  std::vector<Outcome> outcomes;
  for (int i = 0; i < options.seeds; ++i)
    outcomes.push_back(compare(sweep, options, options.first + static_cast<std::uint64_t>(i), foresee));
  return outcomes;
}

template <class Value>
double mean(const std::vector<Outcome>& outcomes, Value value) {
  double sum = 0;
  for (const Outcome& outcome : outcomes) sum += value(outcome);
  return sum / static_cast<double>(outcomes.size());
}

/// Mean gain, least gain, runs more than 1 % worse, plans and switches per run.
std::string gains_text(const std::vector<Outcome>& outcomes) {
  const auto less = [](const Outcome& a, const Outcome& b) { return a.gain() < b.gain(); };
  return fmt::format("{:.2f}\t{:.2f}\t{}\t{:.1f}\t{:.1f}", mean(outcomes, [](auto& o) { return o.gain(); }),
                     std::min_element(outcomes.begin(), outcomes.end(), less)->gain(),
                     std::count_if(outcomes.begin(), outcomes.end(), [](auto& o) { return o.gain() < -1; }),
                     mean(outcomes, [](auto& o) { return o.plans; }),
                     mean(outcomes, [](auto& o) { return o.switches; }));
}

void print_gains(const std::string& file, const Options& options) {
  const Sweep sweep = make_sweep(file, options);
  const auto outcomes = compare_all(sweep, options, true);
  fmt::print("{}\t{:.0f}\t{:.0f}\t{:.0f}\t{:.0f}\t{}\n", file, sweep.plan.makespan_seconds,
             mean(outcomes, [](auto& o) { return o.one_shot; }),
             mean(outcomes, [](auto& o) { return o.looked; }),
             mean(outcomes, [](auto& o) { return o.foreseen; }), gains_text(outcomes));
}

void print_runs(const std::string& file, const Options& options) {
  const Sweep sweep = make_sweep(file, options);
  for (int i = 0; i < options.seeds; ++i) {
    const std::uint64_t seed = options.first + static_cast<std::uint64_t>(i);
    const Outcome o = compare(sweep, options, seed, true);
    fmt::print("{}\t{}\t{:.0f}\t{:.0f}\t{:.0f}\t{:.2f}\t{}\t{}\n", file, seed, o.one_shot, o.looked,
               o.foreseen, o.gain(), o.plans, o.switches);
  }
}

void print_journal(const std::string& file, const Options& options) {
  const Sweep sweep = make_sweep(file, options);
  Printing printing;
  const SimulatedRun result = run(sweep, make_simulation(sweep, options, options.first), printing);
  for (const Record& record : result.records)
    if (!std::holds_alternative<CheckpointWritten>(record)) fmt::print("{}", to_line(record));
}

void print_point(std::span<const std::string> files, const Options& options) {
  std::vector<Outcome> all;
  for (const std::string& file : files) {
    const auto outcomes = compare_all(make_sweep(file, options), options, false);
    all.insert(all.end(), outcomes.begin(), outcomes.end());
  }
  fmt::print("{:g}\t{:g}\t{}\n", options.interval, options.threshold, gains_text(all));
}

bool take_option(const std::string& argument, Options& options) {
  const size_t equals = argument.find('=');
  if (equals == std::string::npos) return false;
  const std::string name = argument.substr(0, equals);
  const std::string value = argument.substr(equals + 1);
  if (name == "seeds")
    options.seeds = std::stoi(value);
  else if (name == "first")
    options.first = std::stoull(value);
  else if (name == "noise")
    options.noise = std::stod(value);
  else if (name == "error" && (value == "task" || value == "class"))
    options.by_class = value == "class";
  else if (name == "interval")
    options.interval = std::stod(value);
  else if (name == "threshold")
    options.threshold = std::stod(value);
  else if (name == "work")
    options.work = std::stoll(value);
  else if (name == "plan_work")
    options.plan_work = std::stoll(value);
  else
    return false;
  return true;
}

int run_command(std::span<const std::string> arguments) {
  const std::string command = arguments.empty() ? "" : arguments.front();
  Options options;
  size_t first = 1;
  while (first < arguments.size() && take_option(arguments[first], options)) ++first;
  const auto files = first < arguments.size() ? arguments.subspan(first) : std::span<const std::string>{};
  const bool known = command == "gains" || command == "runs" || command == "curve" || command == "journal";
  if (!known || files.empty() || options.seeds < 1) {
    fmt::print(stderr, "bench_introspection gains|runs|curve|journal [NAME=VALUE...] INSTANCE...\n");
    return 2;
  }
  if (command == "curve") print_point(files, options);
  for (const std::string& file : files) {
    if (command == "gains") print_gains(file, options);
    if (command == "runs") print_runs(file, options);
    if (command == "journal") print_journal(file, options);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run_command(std::vector<std::string>{arguments + std::min(count, 1), arguments + count});
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_introspection: {}\n", error.what());
    return 1;
  }
}
