// SPDX-License-Identifier: Apache-2.0
//
// What the supervisor itself takes.
//   bench_supervisor sweep DIRECTORY [NAME=VALUE...]   runs a large sweep through the production executor,
//   journal, run
//       directory and view; its gangs are simulated, so that nothing but the supervisor takes processor time.
//       Options: tasks, nodes, devices (of a node), steps (reports of a task), rate (events per second of
//       simulated time; 0: the plan's own time), reduce (successive halving by that factor; 0: none), seed,
//       fail_hours (mean simulated time between two failures of a node, which is back after half an hour; 0:
//       none).
//   bench_supervisor gang RANKS TIMES                  starts gangs of trivial processes: spawned, all there,
//   released
// Both print NAME=VALUE lines. A rank of such a gang is the same program: bench_supervisor rank INDEX RANKS
// FILE.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <iostream>
#include <linux/futex.h>
#include <map>
#include <numeric>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

#include "clocks.h"
#include "launch/simulated_launcher.h"
#include "plan/solve.h"
#include "planner_instance.h"
#include "run/executor.h"
#include "run/journal.h"
#include "run_view.h"

namespace {

using namespace saturn;

namespace fs = std::filesystem;

constexpr const char* kFamily = "mixed";
/// A few seconds; the same plan on every machine.
constexpr std::int64_t kPlanWork = 2'000'000;
/// Of a task's time, and at most: the rest is training.
constexpr double kStartupShare = 0.1, kLongestStartup = 60;
constexpr double kCheckpointShare = 0.05, kLongestCheckpoint = 30;
constexpr double kValidationShare = 0.01;
/// Of the speeds: tasks end early and late.
constexpr double kNoise = 0.1;
constexpr Seconds kPatience{30};
constexpr double kNodeIsBackAfter = 1800;

struct Options {
  int tasks = 10'000;
  int nodes = 128;
  int devices = 8;
  std::int64_t steps = 90;
  double rate = 10'000;
  int reduce = 0;
  double fail_hours = 0;
  std::uint64_t seed = 1;

  std::int64_t steps_of_checkpoints() const { return std::max<std::int64_t>(1, steps / 3); }
  std::int64_t steps_of_validations() const { return std::max<std::int64_t>(1, steps / 2); }
};

double peak_megabytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

/// Counts what the executor is told.
class CountedLauncher final : public Launcher {
 public:
  explicit CountedLauncher(Launcher& inner) : inner_(inner) {}
  GangId start(const GangSpec& spec) override { return inner_.start(spec); }
  void admit(GangId gang) override { inner_.admit(gang); }
  void release(GangId gang) override { inner_.release(gang); }
  void stop(GangId gang, Seconds grace) override { inner_.stop(gang, grace); }
  void kill(GangId gang) override { inner_.kill(gang); }
  void wake() override { inner_.wake(); }
  std::optional<GangNews> wait(Seconds timeout) override {
    auto news = inner_.wait(timeout);
    events_ += news.has_value();
    return news;
  }
  std::int64_t events() const { return events_; }

 private:
  Launcher& inner_;
  std::int64_t events_ = 0;
};

RunSetup make_setup(const Problem& problem, const Options& options, const fs::path& directory) {
  RunSetup setup;
  setup.directory = {directory};
  setup.settings.hang_timeout_seconds = 1e9;  // with so few steps some of them take longer than any limit
  for (const ProblemNode& node : problem.nodes) {
    setup.cluster.nodes.push_back({node.name, node.kind, {}});
    for (size_t d = 0; d < node.free_at_seconds.size(); ++d)
      setup.cluster.nodes.back().devices.push_back({.index = static_cast<int>(d), .cores = {}});
  }
  setup.manifests = {{.name = "any", .description = "", .kind = "native", .library = "/any.so"}};
  for (const ProblemTask& row : problem.tasks) {
    TaskSpec task;
    task.name = row.name;
    task.steps = options.steps;
    setup.tasks.push_back(task);
  }
  setup.settings.introspection_interval_seconds = 0;
  if (options.reduce > 0) {
    setup.settings.halving.reduction_factor = options.reduce;
    setup.settings.halving.rungs = {options.steps / 9, options.steps / 3};
  }
  return setup;
}

/// A task takes about as long as its line says.
SimulatedGang behaviour(const Options& options, const Assignment& line, std::mt19937_64& random) {
  const double seconds = line.duration_seconds;
  const double noise = std::exp(kNoise * std::normal_distribution<double>()(random));
  const double startup = std::min(kLongestStartup, seconds * kStartupShare);
  const double checkpoint = std::min(kLongestCheckpoint, seconds * kCheckpointShare);
  const double training = seconds * (1 - 2 * kValidationShare) - startup - checkpoint;
  return {.startup_seconds = startup,
          .step_seconds = noise * training / static_cast<double>(options.steps),
          .steps = options.steps,
          .checkpoint_every_steps = options.steps_of_checkpoints(),
          .checkpoint_seconds = checkpoint,
          .dies_at_step = {},
          .fails_with = {},
          .validation_seconds = seconds * kValidationShare,
          .validate_every_steps = options.steps_of_validations()};
}

/// Events that a task's gang has to tell.
double events_of_a_task(const Options& options) {
  const auto steps = static_cast<double>(options.steps);
  return 3 + steps + steps / static_cast<double>(options.steps_of_checkpoints()) +
         steps / static_cast<double>(options.steps_of_validations());
}

/// Each node fails again and again, at random, while the plan lasts, and as long again.
std::vector<Outage> outages_of(const Problem& problem, const Plan& plan, const Options& options,
                               std::mt19937_64& random) {
  std::vector<Outage> outages;
  if (options.fail_hours <= 0) return outages;
  std::exponential_distribution<double> between(1 / (3600 * options.fail_hours));
  for (const ProblemNode& node : problem.nodes) {
    std::vector<int> devices(node.free_at_seconds.size());
    std::iota(devices.begin(), devices.end(), 0);
    for (double at = between(random); at < 2 * plan.makespan_seconds;
         at += kNodeIsBackAfter + between(random))
      outages.push_back({at, node.name, devices, at + kNodeIsBackAfter});
  }
  return outages;
}

/// Shrinks the plan's time until there are so many events in a second.
void scale(Plan& plan, const Options& options) {
  if (options.rate <= 0) return;
  const double events = events_of_a_task(options) * options.tasks;
  const double factor = events / options.rate / plan.makespan_seconds;
  plan.makespan_seconds *= factor;
  for (Assignment& line : plan.assignments) {
    line.start_seconds *= factor;
    line.duration_seconds *= factor;
  }
}

void run_sweep(const fs::path& directory, const Options& options) {
  const Problem problem = generate_instance(
      {kFamily, options.tasks, std::vector<int>(static_cast<size_t>(options.nodes), options.devices),
       options.seed});
  Plan plan = solve(problem, {.work = kPlanWork});
  scale(plan, options);
  for (Assignment& line : plan.assignments) line.parallelism = "any";
  fmt::print("plan_peak_mb={:.1f}\n", peak_megabytes());
  const RunSetup setup = make_setup(problem, options, directory);
  std::map<std::string, const Assignment*> lines;
  for (const Assignment& line : plan.assignments) lines[line.task] = &line;
  std::mt19937_64 random(options.seed);
  ManualClock clock;
  const std::vector<Outage> outages = outages_of(problem, plan, options, random);
  const auto simulated = make_simulated_launcher(
      clock,
      {.behaviour = [&](const GangSpec& gang) { return behaviour(options, *lines.at(gang.name), random); },
       .outages = outages});
  CountedLauncher launcher(*simulated);
  fs::create_directories(directory);
  Journal journal(setup.directory.journal_file());
  const auto store = make_directory_store(setup.directory, journal);
  const auto requests = make_directory_requests(setup.directory);
  RunView view(setup.tasks, setup.cluster);
  const Interrupt interrupt;
  Executor executor(setup, plan, {},
                    {.launcher = launcher,
                     .clock = clock,
                     .store = *store,
                     .observer = view,
                     .interrupt = interrupt,
                     .introspector = nullptr,
                     .requests = requests.get()});
  bench::Stopwatch watch;
  RunEnd end{};
  watch.time([&] { end = executor.run(); });
  if (end != RunEnd::kDone) throw std::runtime_error("the run has failed");
  const double simulated_seconds = clock.now().count();
  const auto records = read_journal(setup.directory.journal_file());
  const auto lost = std::count_if(records.begin(), records.end(), [](const Record& record) {
    return std::holds_alternative<DevicesWentAway>(record);
  });
  const auto finished = std::count_if(executor.state().tasks.begin(), executor.state().tasks.end(),
                                      [](const auto& task) { return task.second.over(); });
  const auto events = static_cast<double>(launcher.events());
  fmt::print(
      "events={:.0f}\nrecords={}\nsimulated_s={:.1f}\nevents_per_simulated_s={:.0f}\nprocessor_s={:.2f}"
      "\nwall_s={:.2f}\n"
      "events_per_processor_s={:.0f}\npeak_mb={:.1f}\njournal_mb={:.2f}\nplanned_s={:.1f}\nnodes_lost={}\n"
      "tasks_done={}\n",
      events, records.size(), simulated_seconds, events / simulated_seconds, watch.median_cpu(),
      watch.median_wall(), events / watch.median_cpu(), peak_megabytes(),
      static_cast<double>(fs::file_size(setup.directory.journal_file())) / (1 << 20), plan.makespan_seconds,
      lost, finished);
}

/// What the ranks of a trivial gang share.
struct Meeting {
  std::atomic<std::uint32_t> come, released, left;
};

void wait_for(std::atomic<std::uint32_t>& number, std::uint32_t wanted) {
  for (auto now = number.load(); now < wanted; now = number.load())
    ::syscall(SYS_futex, &number, FUTEX_WAIT, now, nullptr, nullptr, 0);
}

void count_up(std::atomic<std::uint32_t>& number) {
  ++number;
  ::syscall(SYS_futex, &number, FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
}

/// Ready when all ranks have come; one step, and that is that all have seen that they were released.
int be_rank(std::uint32_t index, std::uint32_t ranks, const std::string& file) {
  const FileDescriptor fd(::open(file.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd || ::ftruncate(fd.get(), sizeof(Meeting)) != 0) return 1;
  auto* meeting = static_cast<Meeting*>(
      ::mmap(nullptr, sizeof(Meeting), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0));
  if (meeting == MAP_FAILED) return 1;
  count_up(meeting->come);
  if (index == 0) {
    wait_for(meeting->come, ranks);
    if (write_all(STDOUT_FILENO, to_line(Ready{})) != 0) return 1;
    std::string go;
    if (!std::getline(std::cin, go) || go != "go") return 1;
    count_up(meeting->released);
  }
  wait_for(meeting->released, 1);
  count_up(meeting->left);
  if (index != 0) return 0;
  wait_for(meeting->left, ranks);
  return write_all(STDOUT_FILENO, to_line(StepDone{.step = 1})) == 0 ? 0 : 1;
}

template <class News>
void await(Launcher& launcher) {
  const Seconds deadline = SteadyClock().now() + kPatience;
  while (SteadyClock().now() < deadline) {
    const auto news = launcher.wait(kPatience);
    if (!news) continue;
    if constexpr (std::is_same_v<News, GangExited>) {
      if (std::holds_alternative<GangExited>(news->what)) return;
    } else {
      if (std::holds_alternative<GangExited>(news->what)) break;
      if (std::holds_alternative<News>(std::get<Event>(news->what))) return;
    }
  }
  throw std::runtime_error("the gang did not do what it was to do");
}

void start_gangs(int ranks, int times) {
  const auto launcher = make_local_launcher();
  const std::string self = fs::read_symlink("/proc/self/exe");
  GangSpec gang{.name = "trivial", .node = "", .job = {}, .ranks = {}, .log = "/dev/null", .environment = {}};
  for (int rank = 0; rank < ranks; ++rank)
    gang.ranks.push_back({self, "rank", std::to_string(rank), std::to_string(ranks), "{rendezvous}"});
  std::vector<double> spawned, ready, released;
  for (int i = 0; i < times; ++i) {
    const double began = steady_seconds();
    const GangId id = launcher->start(gang);
    spawned.push_back(1e3 * (steady_seconds() - began));
    await<Ready>(*launcher);
    ready.push_back(1e3 * (steady_seconds() - began));
    launcher->release(id);
    await<StepDone>(*launcher);
    released.push_back(1e3 * (steady_seconds() - began));
    await<GangExited>(*launcher);
  }
  fmt::print(
      "ranks={}\ntimes={}\nspawned_ms={:.1f}\nready_ms={:.1f}\nreleased_ms={:.1f}\nreleased_at_most_ms={:.1f}"
      "\n",
      ranks, times, bench::median(spawned), bench::median(ready), bench::median(released),
      *std::max_element(released.begin(), released.end()));
}

Options options_from(std::span<const std::string> arguments) {
  Options options;
  for (const std::string& argument : arguments) {
    const size_t equals = std::min(argument.find('='), argument.size());
    const std::string name = argument.substr(0, equals);
    const std::string value = argument.substr(std::min(equals + 1, argument.size()));
    if (name == "tasks")
      options.tasks = std::stoi(value);
    else if (name == "nodes")
      options.nodes = std::stoi(value);
    else if (name == "devices")
      options.devices = std::stoi(value);
    else if (name == "steps")
      options.steps = std::stoll(value);
    else if (name == "rate")
      options.rate = std::stod(value);
    else if (name == "reduce")
      options.reduce = std::stoi(value);
    else if (name == "fail_hours")
      options.fail_hours = std::stod(value);
    else if (name == "seed")
      options.seed = std::stoull(value);
    else
      throw std::runtime_error(fmt::format("unknown option {}", argument));
  }
  return options;
}

int run_command(std::span<const std::string> arguments) {
  const std::string command = arguments.empty() ? "" : arguments.front();
  if (command == "sweep" && arguments.size() >= 2) {
    run_sweep(arguments[1], options_from(arguments.subspan(2)));
  } else if (command == "gang" && arguments.size() == 3) {
    start_gangs(std::stoi(arguments[1]), std::stoi(arguments[2]));
  } else if (command == "rank" && arguments.size() == 4) {
    return be_rank(static_cast<std::uint32_t>(std::stoul(arguments[1])),
                   static_cast<std::uint32_t>(std::stoul(arguments[2])), arguments[3]);
  } else {
    fmt::print(stderr, "bench_supervisor sweep DIRECTORY [NAME=VALUE...] | gang RANKS TIMES\n");
    return 2;
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run_command(std::vector<std::string>{arguments + std::min(count, 1), arguments + count});
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_supervisor: {}\n", error.what());
    return 1;
  }
}
