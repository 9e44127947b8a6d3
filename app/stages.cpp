// SPDX-License-Identifier: Apache-2.0
#include "stages.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <set>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "cluster/nvml.h"
#include "output.h"
#include "plan/make_problem.h"
#include "plan/paper.h"
#include "plan/pinned_lines.h"
#include "plan/solve.h"
#include "report/progress.h"
#include "run/continuation.h"

namespace saturn {
namespace {

namespace fs = std::filesystem;

/// Of what has changed in an edited plan, so many lines are shown.
constexpr size_t kMostNotes = 10;

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

/// The GPUs of this machine, unless the worker lacks the module for them.
GpuInventory gpus_for(const fs::path& worker) {
  GpuInventory found = usable_gpus();
  const fs::path prefix = worker.parent_path().parent_path();
  const bool built =
      fs::exists(prefix / "lib/train/saturn-cuda.so") || fs::exists(prefix / "lib/saturn/saturn-cuda.so");
  if (built || found.gpus.empty()) return found;
  found.none_because =
      "saturn-cuda.so, by which the worker uses them, is not built (README.md says what that takes)";
  found.warnings.push_back(fmt::format("{} GPU{} not used: {}", found.gpus.size(),
                                       found.gpus.size() == 1 ? " is" : "s are", found.none_because));
  found.gpus.clear();
  return found;
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

fs::path this_program() {
  return fs::read_symlink("/proc/self/exe");
}

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

SolveOptions solve_options(const Workload& workload, const InterruptGuard& interrupts) {
  return {.time_limit = Seconds(workload.plan.time_limit_seconds),
          .gap = workload.plan.gap,
          .seed = workload.plan.seed,
          .cancel = &interrupts.requested()};
}

void stamp(const Session& session, const Profile& profile, Plan& plan) {
  plan.workload_file = session.workload.file;
  plan.workload_hash = workload_hash(session.workload);
  plan.profile_hash = profile_hash(profile);
  plan.cluster_hash = cluster_hash(session.cluster);
}

/// Pins of tasks that are no longer there do not count.
void keep_pins(Problem& problem, const Plan& before) {
  Plan pins = before;
  std::erase_if(pins.assignments, [&](const Assignment& a) {
    return std::none_of(problem.tasks.begin(), problem.tasks.end(),
                        [&](const ProblemTask& task) { return task.name == a.task; });
  });
  apply_pins(problem, pins);
}

/// Errors: InputError when the paper's program leads to no plan, with what to do.
Plan solve_by_paper(const Problem& problem, const SolveOptions& options) {
  std::optional<Plan> plan = solve_paper(problem, options);
  if (plan) return std::move(*plan);
  if (options.cancel->load()) throw Interrupted{};
  const size_t rows = paper_rows(problem);
  const std::string what = rows > kMostPaperRows
                               ? fmt::format("more than the {} that are tried", kMostPaperRows)
                               : fmt::format("and CBC found no plan within plan.time_limit ({})",
                                             to_text_duration(options.time_limit));
  throw InputError(fmt::format(
      "the paper's MILP has about {} rows for these tasks, {}: {}leave it to Saturn's own method (no "
      "`--method paper`, no plan.method), which finds a plan at any size",
      rows, what, rows > kMostPaperRows ? "" : "set a longer one, take fewer tasks, or "));
}

/// The plan has the pins of the problem.
Plan solve_pinned(const Session& session, const Profile& profile, const Problem& problem,
                  InterruptGuard& interrupts) {
  const SolveOptions options = solve_options(session.workload, interrupts);
  Plan plan =
      session.workload.plan.method == "paper" ? solve_by_paper(problem, options) : solve(problem, options);
  // What was found in a part of the time must not pass for the plan from then on.
  if (interrupts.requested()) throw Interrupted{};
  plan.baseline_seconds = whole_node_baseline(problem).makespan_seconds;
  stamp(session, profile, plan);
  return plan;
}

bool lacks_a_task(const Problem& problem, const Plan& plan) {
  std::set<std::string> planned;
  for (const Assignment& line : plan.assignments) planned.insert(line.task);
  return std::any_of(problem.tasks.begin(), problem.tasks.end(),
                     [&](const ProblemTask& task) { return !planned.contains(task.name); });
}

Plan solve_anew(const Session& session, const Profile& profile, const Plan* before,
                InterruptGuard& interrupts) {
  Problem problem = problem_of(session, profile);
  if (before != nullptr) keep_pins(problem, *before);
  return solve_pinned(session, profile, problem, interrupts);
}

}  // namespace

fs::path python_helper_directory() {
  const fs::path directory = program_directory().parent_path() / "share/saturn/python";
  return fs::exists(directory) ? directory : fs::path();
}

RunSetup Session::setup(const Profile& profile) const {
  RunSetup setup{workload.tasks, cluster, manifests, workload.run, directory, worker};
  setup.saturn = this_program();
  for (TaskSpec& task : setup.tasks) {
    if (task.steps == 0) task.steps = steps_told(profile, task);
  }
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

fs::path worker_program() {
  return program_directory() / "saturn-worker";
}

Session open_session(const fs::path& workload_file, const CommonOptions& options) {
  Session session;
  session.workload = read_workload(workload_file);
  session.manifests = find_parallelisms(search_path(options, session.workload.file.parent_path()));
  check_parallelisms(session.workload, session.manifests);
  session.machine = this_machine();
  session.worker = worker_program();
  if (may_use_gpus(session.workload.cluster)) session.machine.gpus = gpus_for(session.worker);
  for (const std::string& warning : session.machine.gpus.warnings) say("warning: " + warning);
  session.cluster = discover(session.workload.cluster, session.machine);
  for (const std::string& warning : cluster_warnings(session.cluster)) say("warning: " + warning);
  session.directory = {session.workload.run.directory};
  return session;
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
  const auto launcher = make_local_launcher();
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

Problem problem_of(const Session& session, const Profile& profile) {
  return make_problem(session.setup(profile).tasks, session.cluster, profile, session.workload.run);
}

std::vector<std::string> staleness(const Session& session, const Profile& profile, const Plan& plan) {
  std::vector<std::string> reasons;
  const std::string file = session.workload.file.string();
  if (plan.workload_hash != workload_hash(session.workload))
    reasons.push_back(fmt::format("the workload {} has changed", file));
  if (plan.profile_hash != profile_hash(profile)) reasons.push_back("the profile has changed");
  if (plan.cluster_hash != cluster_hash(session.cluster)) reasons.push_back("the cluster has changed");
  return reasons;
}

bool complete_and_check(const Session& session, const Problem& problem, Plan& plan) {
  const Completion completion = complete(problem, plan);
  std::vector<Diagnostic> wrong = check_knobs(session.manifests, plan);
  for (Diagnostic& found : check_plan(problem, plan)) wrong.push_back(std::move(found));
  if (lacks_a_task(problem, plan))
    wrong.push_back(
        {plan.file, 0, 0,
         fmt::format("`saturn plan {} --complete {}` plans tasks without a line around the others",
                     session.workload.file.string(), plan.file),
         ""});
  if (!wrong.empty()) throw InputError(std::move(wrong));
  for (size_t i = 0; i < std::min(completion.retimed.size(), kMostNotes); ++i) say(completion.retimed[i]);
  if (completion.retimed.size() > kMostNotes)
    say(fmt::format("... and {} more times", completion.retimed.size() - kMostNotes));
  return completion.changed();
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

void replace_plan(const fs::path& file, const Plan& plan) {
  const std::string text = to_text(plan);
  if (fs::exists(file)) {
    const std::string before = read_file(file);
    if (before == text) return;
    fs::path kept = file;
    kept.replace_filename(file.stem().string() + ".previous.json");
    write_file_atomically(kept, before);
    say(fmt::format("the plan before is kept in {}", kept.string()));
  }
  if (file.has_parent_path()) make_directories(file.parent_path());
  write_file_atomically(file, text);
}

Plan make_plan(const Session& session, const Profile& profile, const PlanRequest& request,
               InterruptGuard& interrupts) {
  if (!fs::exists(request.file)) {
    const Plan plan = solve_anew(session, profile, nullptr, interrupts);
    replace_plan(request.file, plan);
    return plan;
  }
  Plan before = read_plan(request.file);
  const std::vector<std::string> reasons = staleness(session, profile, before);
  if (reasons.empty() && !request.force) {
    const Problem problem = problem_of(session, profile);
    if (complete_and_check(session, problem, before)) replace_plan(request.file, before);
    return before;
  }
  for (const std::string& reason : reasons) say(reason + ": planned again");
  const Plan plan = solve_anew(session, profile, &before, interrupts);
  replace_plan(request.file, plan);
  return plan;
}

std::vector<Baseline> stamped_baselines(const Session& session, const Profile& profile, const Plan& plan) {
  std::vector<Baseline> result = baselines(problem_of(session, profile), session.workload.plan.seed);
  const bool pins = std::any_of(plan.assignments.begin(), plan.assignments.end(),
                                [](const Assignment& line) { return line.pinned; });
  for (Baseline& baseline : result) {
    Plan& made = baseline.plan;
    stamp(session, profile, made);
    if (!pins) {
      made.lower_bound_seconds = std::min(plan.lower_bound_seconds, made.makespan_seconds);
      made.bound_method = plan.bound_method;
    }
    if (made.makespan_seconds > 0) made.gap = 1 - made.lower_bound_seconds / made.makespan_seconds;
  }
  return result;
}

Plan plan_around(const Session& session, const Profile& profile, const Plan& kept,
                 InterruptGuard& interrupts) {
  Problem problem = problem_of(session, profile);
  Plan pins = kept;
  for (Assignment& line : pins.assignments) line.pinned = true;
  apply_pins(problem, pins);
  Plan plan = solve_pinned(session, profile, problem, interrupts);
  for (Assignment& line : plan.assignments)
    line.pinned = std::any_of(kept.assignments.begin(), kept.assignments.end(),
                              [&](const Assignment& a) { return a.task == line.task && a.pinned; });
  return plan;
}

}  // namespace saturn
