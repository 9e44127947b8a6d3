// SPDX-License-Identifier: Apache-2.0
#include "stages.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "cluster/slurm_cluster.h"
#include "find_cluster.h"
#include "launching.h"
#include "output.h"
#include "report/progress.h"
#include "run/continuation.h"

namespace saturn {
namespace {

namespace fs = std::filesystem;

fs::path program_directory() {
  return fs::read_symlink("/proc/self/exe").parent_path();
}

std::string worker_version(const fs::path& worker) {
  if (!fs::exists(worker)) {
    throw SystemError("find", worker.string(), "there is no such program",
                      "build it (scripts/quickstart.sh does), it belongs beside saturn");
  }
  std::string version = file_hash(worker);
  // The worker is thin: what trains is in a library (of the build, or of an installation).
  const fs::path prefix = worker.parent_path().parent_path();
  for (const char* library : {"lib/train/libsaturn_train.so", "lib/saturn/libsaturn_train.so",
                              "lib/train/saturn-cuda.so", "lib/saturn/saturn-cuda.so"}) {
    if (fs::exists(prefix / library)) version += "+" + file_hash(prefix / library);
  }
  return version;
}

/// "12/20 trials, 1 running": drawn while trials run.
class ProfileView {
 public:
  ProfileView()
      : progress_(clock_, [](std::string_view text) { (void)write_all(STDERR_FILENO, text); },
                  {.terminal = is_terminal(STDERR_FILENO), .style = style_of(STDERR_FILENO)}) {}
  void show(const ProfileProgress& now) {
    if (!now.text.empty()) last_ = now.text;
    if (now.running == 0 && last_.empty()) return;  // everything is known: nothing to watch
    const double fraction = now.total > 0 ? static_cast<double>(now.done) / now.total : 1;
    progress_.update(fraction, fmt::format("{}/{} trials, {} running{}{}", now.done, now.total, now.running,
                                           last_.empty() ? "" : "  ", last_));
  }
  void finish() { progress_.finish(); }

 private:
  SteadyClock clock_;
  Progress progress_;
  std::string last_;
};

void report_trials(const ProfileResult& result, const fs::path& file) {
  for (const std::string& warning : result.warnings) say("warning: " + warning);
  say(fmt::format("profile: {} trials measured, {} known already{}; {}", result.measured, result.cached,
                  result.failed > 0 ? fmt::format(", {} failed", result.failed) : "", file.string()));
}

Profile known_profile(const fs::path& file) {
  return fs::exists(file) ? read_profile(file) : Profile{};
}

bool has_failed(const Profile& profile) {
  return std::any_of(profile.trials.begin(), profile.trials.end(),
                     [](const Trial& trial) { return std::holds_alternative<TrialFailed>(trial.outcome); });
}

}  // namespace

ProfileOptions profile_options(const Session& session, const TrialPlan& trials, const CommonOptions& options,
                               InterruptGuard& interrupts) {
  ProfileOptions result;
  result.worker = session.worker;
  result.saturn = this_program();
  result.scratch = session.directory.path / "trials";
  const bool any_native =
      std::any_of(trials.trials.begin(), trials.trials.end(),
                  [](const PlannedTrial& trial) { return !trial.parallelism.is_command(); });
  const std::string version = any_native ? worker_version(session.worker) : "";
  result.conditions = {session.machine.cpu_model, version, session.workload.profile,
                       session.machine.gpus.driver};
  result.cache = TrialCache(options.no_cache ? fs::path() : TrialCache::default_directory());
  result.cancel = &interrupts.requested();
  return result;
}

fs::path python_helper_directory() {
  const fs::path directory = program_directory().parent_path() / "share/saturn/python";
  return fs::exists(directory) ? directory : fs::path();
}

RunSetup Session::setup(const Profile& profile) const {
  RunSetup setup{workload.tasks, cluster, manifests, workload.run, directory, worker};
  setup.saturn = this_program();
  setup.objective = workload.plan.objective;
  setup.fail_fast = fail_fast;
  setup.budget = budget;
  for (TaskSpec& task : setup.tasks) {
    if (task.steps == 0) task.steps = steps_told(profile, task);
  }
  setup.costs = gang_costs(setup.tasks, setup.settings, profile);
  return setup;
}

std::vector<fs::path> search_path(const CommonOptions& options, const fs::path& beside) {
  std::vector<fs::path> path(options.parallelism_path.begin(), options.parallelism_path.end());
  if (const char* variable = std::getenv("SATURN_PARALLELISM_PATH")) {
    std::string_view rest = variable;
    while (!rest.empty()) {
      const size_t colon = std::min(rest.find(':'), rest.size());
      if (colon > 0) path.emplace_back(rest.substr(0, colon));
      rest.remove_prefix(std::min(colon + 1, rest.size()));
    }
  }
  if (!beside.empty()) path.push_back(beside);
  const fs::path bin = program_directory();
  for (const fs::path& place :
       {bin.parent_path() / "parallelisms", bin.parent_path() / "lib/saturn/parallelisms"}) {
    if (fs::is_directory(place)) path.push_back(place);
  }
  return path;
}

fs::path this_program() {
  return fs::read_symlink("/proc/self/exe");
}

fs::path worker_program() {
  return program_directory() / "saturn-worker";
}

Session open_without_cluster(const fs::path& workload_file, const CommonOptions& options,
                             const RunDirectory& directory) {
  Session session;
  session.workload = read_workload(workload_file);
  session.manifests = find_parallelisms(search_path(options, session.workload.file.parent_path()));
  check_parallelisms(session.workload, session.manifests);
  session.worker = worker_program();
  session.directory = directory.path.empty() ? RunDirectory{session.workload.run.directory} : directory;
  if (fs::exists(session.directory.run_file()))
    session.given_cluster = read_run_identity(session.directory).cluster;
  return session;
}

void use_cluster(Session& session, const ClusterSpec& spec) {
  session.workload.cluster = spec;
  find_cluster(session);
}

Session open_session(const fs::path& workload_file, const CommonOptions& options,
                     const std::optional<Cluster>& given) {
  Session session = open_without_cluster(workload_file, options);
  if (given) {
    take_cluster(session, *given);
    return session;
  }
  if (session.given_cluster && *session.given_cluster != session.workload.cluster)
    say("the cluster is that of `saturn replan --cluster`, not the workload's");
  use_cluster(session, session.given_cluster.value_or(session.workload.cluster));
  return session;
}

void set_budget(Session& session, const RunState& state) {
  const BudgetSettings& settings = session.workload.run.budget;
  session.budget = session_budget(settings, state, utc_seconds());
  if (session.budget.seconds > 0 || state.sessions > 0) return;
  throw InputError(
      {{session.workload.file, settings.mark.line, settings.mark.column,
        fmt::format("run.budget: the deadline {} has passed: give a later one", settings.deadline_text),
        ""}});
}

void set_budget_under_way(Session& session, const RunState& state) {
  session.budget = session_budget(session.workload.run.budget, state, state.session_began_at);
}

Profile make_profile(const Session& session, const CommonOptions& options, const ProfileRequest& request,
                     InterruptGuard& interrupts) {
  const TrialPlan trials = plan_trials(session.workload, session.manifests, session.cluster, session.machine);
  ProfileOptions run = profile_options(session, trials, options, interrupts);
  const Profile known = known_profile(request.file);
  const bool fresh = known.trials_key == trials_key(trials, session.cluster, run.conditions);
  if (fresh && !options.no_cache && !(request.retry_failed && has_failed(known))) return known;
  const RunLock lock({run.scratch});  // two that measure at once would spoil each other's figures and files
  const SteadyClock clock;
  // Agents are not started for nothing.
  const bool on_agents =
      is_of_slurm_nodes(session.cluster) && !known_trials(trials, session.cluster, run).missing.empty();
  const auto launcher = on_agents ? make_launcher(session) : make_local_launcher();
  const Waking waking = interrupts.wakes(*launcher);
  ProfileView view;
  run.progress = [&](const ProfileProgress& now) { view.show(now); };
  const ProfileResult result = run_trials(trials, session.cluster, *launcher, clock, run);
  view.finish();
  if (request.file.has_parent_path()) make_directories(request.file.parent_path());
  write_profile(request.file, result.profile);
  report_trials(result, request.file);
  if (result.cancelled) throw Interrupted{};
  return result.profile;
}

KnownTrials known_trials_of(const Session& session, const CommonOptions& options,
                            InterruptGuard& interrupts) {
  const TrialPlan trials = plan_trials(session.workload, session.manifests, session.cluster, session.machine);
  return known_trials(trials, session.cluster, profile_options(session, trials, options, interrupts));
}

InputError not_measured(const std::vector<std::string>& missing) {
  return InputError(fmt::format(
      "{} trial{} not been measured, and the devices are in use:\n    {}\nstop the run (Ctrl-C): the same "
      "command then measures them, and `saturn run` goes on",
      missing.size(), missing.size() == 1 ? " has" : "s have", fmt::join(missing, "\n    ")));
}

void add_rows(Profile& profile, const std::vector<Trial>& rows) {
  const std::vector<Trial> before = profile.trials;
  for (const Trial& row : rows) {
    const bool known = std::any_of(before.begin(), before.end(), [&](const Trial& trial) {
      return trial.signature == row.signature && trial.parallelism == row.parallelism &&
             trial.devices == row.devices && trial.device_kind == row.device_kind && trial.nodes == row.nodes;
    });
    if (!known) profile.trials.push_back(row);
  }
  order_trials(profile.trials);
}

KnownFigures known_figures(const Session& session, const std::vector<TaskSpec>& tasks,
                           const CommonOptions& options, InterruptGuard& interrupts) {
  Workload workload = session.workload;
  workload.tasks = tasks;
  KnownFigures figures;
  figures.all = plan_trials(workload, session.manifests, session.cluster, session.machine);
  const KnownTrials cached =
      known_trials(figures.all, session.cluster, profile_options(session, figures.all, options, interrupts));
  figures.profile = known_profile(session.directory.profile_file());
  add_rows(figures.profile, cached.profile.trials);
  figures.profile.hardware = cached.profile.hardware;
  figures.profile.tasks = cached.profile.tasks;
  figures.profile.trials_key = cached.profile.trials_key;
  figures.missing = figures.all;
  std::erase_if(figures.missing.trials, [&](const PlannedTrial& trial) {
    return std::any_of(figures.profile.trials.begin(), figures.profile.trials.end(), [&](const Trial& row) {
      return row.signature == trial.signature && row.parallelism == trial.parallelism.name &&
             row.devices == trial.devices && row.device_kind == trial.device_kind && row.nodes == 1;
    });
  });
  return figures;
}

void require_continuable(const Session& session) {
  std::vector<Diagnostic> wrong =
      check_continuation(session.directory, session.workload.file, session.workload.tasks);
  if (!wrong.empty()) throw InputError(std::move(wrong));
}

void require_run_directory(const fs::path& directory) {
  if (fs::exists(RunDirectory{directory}.run_file())) return;
  throw InputError(
      fmt::format("{} is no run directory (it has no run.json): name the one that `saturn run` told",
                  directory.string()));
}

}  // namespace saturn
