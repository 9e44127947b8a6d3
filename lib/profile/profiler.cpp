// SPDX-License-Identifier: Apache-2.0
#include "profile/profiler.h"

#include <algorithm>
#include <fmt/format.h>
#include <list>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "launch/job.h"
#include "profile/devices.h"

namespace saturn {
namespace {

constexpr int kTailLines = 20;
/// How often cancellation and time limits are looked at when nothing happens.
constexpr Seconds kTick{1};
/// After a stop's grace the launcher has killed the gang; this long more until that is a failure of the
/// system.
constexpr Seconds kReapLimit{30};

/// One gang under way.
struct Running {
  const PlannedTrial* trial = nullptr;
  std::string key;
  std::vector<DeviceSet> devices;  ///< of each of its nodes, in the order of ranks
  std::filesystem::path directory;
  Seconds deadline{0};
  bool copy = false;     ///< only keeps devices busy
  bool stopped = false;  ///< asked to leave; `deadline` is then the time to have been reaped by
  bool timed_out = false;
  bool lost = false;  ///< a node of it was lost under it
  bool done = false;  ///< TrialDone has come
  std::optional<Failed> failure;
  std::vector<Trial> rows;
};

std::string describe(const PlannedTrial& trial) {
  return fmt::format("{} {} on {} device{}{}", trial.task->name, trial.parallelism.name, trial.devices,
                     trial.devices == 1 ? "" : "s",
                     trial.nodes == 1 ? "" : fmt::format(" of {} nodes", trial.nodes));
}

/// What the fastest row says, in a few words.
std::string describe_result(std::vector<Trial> rows) {
  order_trials(rows);
  struct Words {
    std::string operator()(const Measured& m) const {
      return to_text_duration(Seconds(m.step_seconds)) + " a step" + (m.unstable ? ", unstable" : "");
    }
    std::string operator()(const OutOfMemory&) const { return "out of memory"; }
    std::string operator()(const NotApplicable& n) const { return "not applicable: " + n.why; }
    std::string operator()(const TrialFailed& f) const { return "failed: " + f.why; }
  };
  return std::visit(Words{}, rows.front().outcome);
}

std::string describe_exit(const GangExited& exit) {
  const std::string rank = fmt::format("rank {}", exit.rank);
  if (exit.code == 0) return rank + " left without a result";
  if (exit.code == 128 + 9) return rank + " was killed by signal 9 (the system may be out of memory)";
  if (exit.code > 128) return fmt::format("{} was killed by signal {}", rank, exit.code - 128);
  return fmt::format("{} exited with code {}", rank, exit.code);
}

/// The end of a gang's log, fit for a JSON file: bytes that are no UTF-8 are replaced.
std::string tail_of_log(const std::filesystem::path& log) {
  const nlohmann::json tail = tail_of_file(log, kTailLines);
  return nlohmann::json::parse(tail.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

class Profiler {
 public:
  /// `lent`: the part of the cluster that may be used.
  Profiler(const TrialPlan& plan, const Cluster& cluster, const Cluster& lent, Launcher& launcher,
           const Clock& clock, const ProfileOptions& options)
      : plan_(plan),
        cluster_(cluster),
        lent_(lent),
        launcher_(launcher),
        clock_(clock),
        options_(options),
        pool_(lent) {
    result_.profile.hardware = plan_.hardware;
    result_.profile.tasks = plan_.tasks;
    ask_cache();
    report("");
  }

  bool done() const { return stuck_ || !work_left(); }

  void start() {
    if (cancelled()) stop_all();
    start_what_fits();
    stuck_ = running_.empty();  // cancelled, or what is left fits nowhere
    if (stuck_ && !cancelled() && !lost_.empty()) throw nothing_left();
  }

  Seconds next_timeout() const {
    Seconds timeout = kTick;
    for (const auto& [id, gang] : running_) timeout = std::min(timeout, gang.deadline - clock_.now());
    return std::max(timeout, Seconds(0));
  }

  /// False: of none of its gangs.
  bool handle(const GangNews& news) {
    if (const auto* lost = std::get_if<DevicesLost>(&news.what)) lose(*lost);
    if (const auto* back = std::get_if<DevicesBack>(&news.what)) use_again(back->node);
    const auto found = running_.find(news.gang);
    if (found == running_.end()) return false;
    Running& gang = found->second;
    if (const auto* exited = std::get_if<GangExited>(&news.what)) {
      const Running ended = std::move(gang);
      running_.erase(found);
      end(ended, *exited);
    } else {
      hear(news.gang, gang, std::get<Event>(news.what));
    }
    return true;
  }

  void check() {
    check_deadlines();
    report("");
  }

  ProfileResult take_result() {
    result_.cancelled = !pending_.empty() || dropped_;
    if (!result_.cancelled) {
      result_.profile.trials_key = trials_key(plan_, cluster_, options_.conditions);
    }
    order_trials(result_.profile.trials);
    return std::move(result_);
  }

 private:
  struct Pending {
    const PlannedTrial* trial;
    std::string key;
  };

  /// What was being measured there is measured elsewhere.
  void lose(const DevicesLost& lost) {
    for (size_t n = 0; n < lent_.nodes.size(); ++n) {
      if (lent_.nodes[n].name != lost.node) continue;
      lost_[lost.node] = lost.why;
      pool_.set_usable(n, false);
      for (auto& [id, gang] : running_) {
        const auto& parts = gang.devices;
        if (std::none_of(parts.begin(), parts.end(), [&](const DeviceSet& part) { return part.node == n; }))
          continue;
        gang.lost = true;
        launcher_.kill(id);
      }
      report(fmt::format("lost {}: {}", lost.node, lost.why));
    }
  }

  void use_again(const std::string& node) {
    for (size_t n = 0; n < lent_.nodes.size(); ++n)
      if (lent_.nodes[n].name == node && lost_.erase(node) > 0) pool_.set_usable(n, true);
  }

  SystemError nothing_left() const {
    std::string nodes, why;
    for (const auto& [node, reason] : lost_) {
      nodes += (nodes.empty() ? "" : ", ") + node;
      if (why.find(reason) == std::string::npos) why += (why.empty() ? "" : "; ") + reason;
    }
    return {"measure on", nodes, why,
            "when the nodes are back the same command goes on: what was measured is kept"};
  }

  bool cancelled() const { return options_.cancel != nullptr && options_.cancel->load(); }
  const ProfileSettings& settings() const { return options_.conditions.settings; }

  bool work_left() const { return !running_.empty() || (!pending_.empty() && !cancelled()); }

  void report(const std::string& text) {
    if (!options_.progress) return;
    options_.progress({result_.cached + result_.measured, static_cast<int>(plan_.trials.size()),
                       static_cast<int>(running_.size()), text});
  }

  /// Takes what is known; the rest is pending, the widest first: narrow ones fill the gaps.
  void ask_cache() {
    for (const PlannedTrial& trial : plan_.trials) {
      std::string key = trial_key(trial, cluster_, options_.conditions);
      if (const auto rows = options_.cache.find(key)) {
        add_rows(*rows);
        ++result_.cached;
      } else {
        pending_.push_back({&trial, std::move(key)});
      }
    }
    pending_.sort([](const Pending& a, const Pending& b) { return a.trial->devices > b.trial->devices; });
  }

  void add_rows(const std::vector<Trial>& rows) {
    result_.profile.trials.insert(result_.profile.trials.end(), rows.begin(), rows.end());
  }

  void start_what_fits() {
    if (cancelled()) return;
    for (auto next = pending_.begin(); next != pending_.end();) {
      const auto devices = take(*next->trial);
      if (devices.empty()) {
        ++next;
        continue;
      }
      start(*next, devices, /*copy=*/false);
      next = pending_.erase(next);
    }
    if (pending_.empty()) fill_with_copies();
  }

  std::vector<DeviceSet> take(const PlannedTrial& trial) {
    return pool_.take(trial.device_kind, static_cast<size_t>(trial.devices / trial.nodes),
                      static_cast<size_t>(trial.nodes));
  }

  void fill_with_copies() {
    std::vector<const Running*> real;
    for (const auto& [id, gang] : running_) {
      if (!gang.copy && !gang.stopped) real.push_back(&gang);
    }
    for (const Running* gang : real) {
      while (copies_useful_) {
        const auto devices = take(*gang->trial);
        if (devices.empty()) break;
        start({gang->trial, ""}, devices, /*copy=*/true);
      }
    }
  }

  void start(const Pending& what, const std::vector<DeviceSet>& devices, bool copy) {
    Running gang;
    gang.trial = what.trial;
    gang.key = what.key;
    gang.devices = devices;
    gang.copy = copy;
    gang.directory = options_.scratch / fmt::format("trial-{:04}", ++started_);
    std::error_code error;
    std::filesystem::remove_all(gang.directory, error);  // of an earlier profile
    if (error) throw SystemError("remove", gang.directory.string(), error.value());
    make_directories(gang.directory / "work");
    const Job job = job_of(gang);
    write_file_atomically(gang.directory / "job.json", to_json(job).dump(2) + "\n");
    gang.deadline = clock_.now() + Seconds(settings().trial_timeout_seconds);
    const GangId id = launcher_.start(spec_of(gang, job));
    running_.emplace(id, std::move(gang));
  }

  Job job_of(const Running& gang) const {
    Job job;
    job.mode = Job::Mode::kTrial;
    job.task = *gang.trial->task;
    job.parallelism = gang.trial->parallelism.name;
    job.library = gang.trial->parallelism.library;
    if (gang.trial->parallelism.is_command()) job.command = gang.trial->parallelism.command;
    job.knob_candidates = gang.trial->parallelism.knobs;
    job.device_kind = gang.trial->device_kind;
    for (const DeviceSet& part : gang.devices) {
      const Node& node = lent_.nodes[part.node];
      for (const size_t place : part.places) job.devices.push_back(node.devices[place]);
      if (gang.devices.size() > 1) job.nodes.push_back({node.name, static_cast<int>(part.places.size())});
    }
    job.directory = gang.directory / "work";
    job.trial = settings();
    return job;
  }

  GangSpec spec_of(const Running& gang, const Job& job) const {
    GangSpec spec;
    spec.name = gang.trial->task->name;
    spec.node = lent_.nodes[gang.devices.front().node].name;
    spec.job = job;
    spec.log = gang.directory / "log";
    spec.ranks = rank_commands({options_.worker, options_.saturn}, job, gang.directory / "job.json");
    return spec;
  }

  void hear(GangId id, Running& gang, const Event& event) {
    if (std::holds_alternative<Ready>(event)) launcher_.release(id);
    if (std::holds_alternative<TrialDone>(event)) gang.done = true;
    if (const auto* failed = std::get_if<Failed>(&event)) gang.failure = *failed;
    if (const auto* tried = std::get_if<CandidateTried>(&event)) {
      gang.rows.push_back(row(gang, tried->knobs, tried->outcome));
    }
  }

  static Trial row(const Running& gang, const Knobs& knobs, const Outcome& outcome) {
    const PlannedTrial& trial = *gang.trial;
    return {trial.signature, trial.parallelism.name, trial.devices, trial.device_kind, knobs, outcome,
            trial.nodes};
  }

  /// Every process of the gang is gone: its devices are free.
  void end(const Running& gang, const GangExited& exited) {
    pool_.give_back(gang.devices);
    if (gang.copy) {
      if (!gang.done) copies_useful_ = false;  // it would only end like this again
    } else if (gang.lost && !gang.done) {
      pending_.push_back({gang.trial, gang.key});
    } else if (gang.stopped && !gang.timed_out && !gang.done) {
      dropped_ = true;  // cancelled half-way: half a trial would pass for a whole one
    } else {
      keep(gang, rows_of(gang, exited));
    }
    clean(gang);
    if (!real_work_left()) stop_all();
  }

  std::vector<Trial> rows_of(const Running& gang, const GangExited& exited) const {
    std::vector<Trial> rows = gang.rows;
    if (gang.done && rows.empty()) rows.push_back(row(gang, {}, NotApplicable{"it offers no candidate"}));
    if (gang.done) return rows;
    const std::string tail = tail_of_log(gang.directory / "log");
    if (gang.failure && gang.failure->reason == Failed::Reason::kOutOfMemory) {
      rows.push_back(row(gang, {}, OutOfMemory{gang.failure->message}));
    } else if (gang.failure) {
      rows.push_back(row(gang, {}, TrialFailed{gang.failure->message, tail}));
    } else if (gang.timed_out) {
      const Seconds limit(settings().trial_timeout_seconds);
      rows.push_back(row(gang, {}, TrialFailed{"no result within " + to_text_duration(limit), tail}));
    } else {
      rows.push_back(row(gang, {}, TrialFailed{describe_exit(exited), tail}));
    }
    return rows;
  }

  void keep(const Running& gang, const std::vector<Trial>& rows) {
    add_rows(rows);
    ++result_.measured;
    const bool failed = std::any_of(rows.begin(), rows.end(), [](const Trial& trial) {
      return std::holds_alternative<TrialFailed>(trial.outcome);
    });
    if (failed) ++result_.failed;
    try {
      options_.cache.store(gang.key, rows);
    } catch (const SystemError& error) {  // a full disk costs the cache, not the measurement
      const std::string text = error.what();
      if (result_.warnings.empty() || result_.warnings.back() != text) result_.warnings.push_back(text);
    }
    report(describe(*gang.trial) + ": " + describe_result(rows));
  }

  /// The measured checkpoint can be large, so it always goes; the rest of a trial that went well, too.
  void clean(const Running& gang) const {
    std::error_code ignored;
    const bool keep_log = !gang.copy && !gang.done && !gang.stopped;
    std::filesystem::remove_all(keep_log || gang.timed_out ? gang.directory / "work" : gang.directory,
                                ignored);
  }

  bool real_work_left() const {
    const bool running =
        std::any_of(running_.begin(), running_.end(), [](const auto& entry) { return !entry.second.copy; });
    return running || !pending_.empty();
  }

  void stop_all() {
    for (auto& [id, gang] : running_) stop(id, gang);
  }

  void stop(GangId id, Running& gang) {
    if (gang.stopped) return;
    launcher_.stop(id, options_.stop_grace);
    gang.stopped = true;
    gang.deadline = clock_.now() + options_.stop_grace + kReapLimit;
  }

  void check_deadlines() {
    for (auto& [id, gang] : running_) {
      if (clock_.now() < gang.deadline) continue;
      if (gang.stopped) {
        launcher_.kill(id);
        throw SystemError("stop", "the trial " + describe(*gang.trial), "its processes do not end",
                          "look for them with ps and end them by hand");
      }
      gang.timed_out = true;
      stop(id, gang);
    }
  }

  const TrialPlan& plan_;
  const Cluster& cluster_;
  const Cluster& lent_;
  Launcher& launcher_;
  const Clock& clock_;
  const ProfileOptions& options_;
  DevicePool pool_;
  std::list<Pending> pending_;
  std::map<GangId, Running> running_;
  std::map<std::string, std::string> lost_;  ///< nodes, and why
  ProfileResult result_;
  int started_ = 0;
  bool copies_useful_ = true;
  bool dropped_ = false;
  bool stuck_ = false;
};

}  // namespace

KnownTrials known_trials(const TrialPlan& plan, const Cluster& cluster, const ProfileOptions& options) {
  KnownTrials known;
  known.profile.hardware = plan.hardware;
  known.profile.tasks = plan.tasks;
  for (const PlannedTrial& trial : plan.trials) {
    if (const auto rows = options.cache.find(trial_key(trial, cluster, options.conditions))) {
      known.profile.trials.insert(known.profile.trials.end(), rows->begin(), rows->end());
    } else {
      known.missing.push_back(describe(trial));
    }
  }
  if (known.missing.empty()) known.profile.trials_key = trials_key(plan, cluster, options.conditions);
  order_trials(known.profile.trials);
  return known;
}

ProfileResult run_trials(const TrialPlan& plan, const Cluster& cluster, Launcher& launcher,
                         const Clock& clock, const ProfileOptions& options) {
  Profiler profiler(plan, cluster, cluster, launcher, clock, options);
  while (!profiler.done()) {
    profiler.start();
    if (profiler.done()) break;
    if (const auto news = launcher.wait(profiler.next_timeout())) profiler.handle(*news);
    profiler.check();
  }
  return profiler.take_result();
}

struct TrialRunner::Parts {
  TrialPlan plan;
  Cluster cluster;
  Cluster lent;
  ProfileOptions options;
  std::atomic<bool> cancel{false};
  std::optional<Profiler> profiler{};
};

TrialRunner::TrialRunner(TrialPlan plan, Cluster cluster, Cluster lent, Launcher& launcher,
                         const Clock& clock, ProfileOptions options)
    : parts_(new Parts{std::move(plan), std::move(cluster), std::move(lent), std::move(options)}) {
  parts_->options.cancel = &parts_->cancel;
  parts_->profiler.emplace(parts_->plan, parts_->cluster, parts_->lent, launcher, clock, parts_->options);
}

TrialRunner::~TrialRunner() = default;

void TrialRunner::go_on() {
  parts_->profiler->check();
  if (!done()) parts_->profiler->start();
}

bool TrialRunner::handle(const GangNews& news) {
  return parts_->profiler->handle(news);
}

bool TrialRunner::done() const {
  return parts_->profiler->done();
}

Seconds TrialRunner::until_next() const {
  return parts_->profiler->next_timeout();
}

void TrialRunner::cancel() {
  parts_->cancel = true;
}

ProfileResult TrialRunner::take_result() {
  return parts_->profiler->take_result();
}

}  // namespace saturn
