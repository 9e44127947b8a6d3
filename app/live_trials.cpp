// SPDX-License-Identifier: Apache-2.0
#include "live_trials.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>

#include "profile/cache.h"

namespace saturn {

std::vector<LiveTrials::Need> SessionTrials::needs(const std::vector<TaskSpec>& tasks,
                                                   const Cluster& cluster) {
  session_.cluster = cluster;
  known_ = known_figures(session_, tasks, options_, interrupts_);
  std::map<std::string, std::int64_t> widest;
  for (const PlannedTrial& trial : known_.missing.trials) {
    std::int64_t& devices = widest[trial.device_kind];
    devices = std::max(devices, trial.devices);
  }
  std::vector<Need> needs;
  for (const auto& [kind, devices] : widest) needs.push_back({kind, devices});
  return needs;
}

void SessionTrials::begin(const Cluster& lent) {
  ProfileOptions options = profile_options(session_, known_.missing, options_, interrupts_);
  lock_.emplace(RunDirectory{options.scratch});
  runner_ = std::make_unique<TrialRunner>(known_.missing, session_.cluster, lent, launcher_, clock_, options);
}

void SessionTrials::go_on() {
  if (runner_ != nullptr) runner_->go_on();
}

void SessionTrials::handle(const GangNews& news) {
  if (runner_ != nullptr) runner_->handle(news);
}

Seconds SessionTrials::until_next() const {
  return runner_ == nullptr ? Seconds(1) : runner_->until_next();
}

void SessionTrials::cancel() {
  if (runner_ != nullptr) runner_->cancel();
}

std::optional<std::string> SessionTrials::ended() {
  if (runner_ == nullptr) {
    lock_.reset();
    return "nothing was measured";
  }
  if (!runner_->done()) return {};
  const ProfileResult result = runner_->take_result();
  runner_.reset();
  lock_.reset();
  add_rows(known_.profile, result.profile.trials);
  if (!result.cancelled) {
    const ProfileOptions options = profile_options(session_, known_.all, options_, interrupts_);
    known_.profile.trials_key = trials_key(known_.all, session_.cluster, options.conditions);
  }
  write_profile(session_.directory.profile_file(), known_.profile);
  std::string text = fmt::format("{} trial{} measured", result.measured, result.measured == 1 ? "" : "s");
  if (result.failed > 0) text += fmt::format(", {} failed", result.failed);
  if (result.cancelled) text += ", others are missing: `saturn replan` asks for them again";
  return text;
}

void SessionTrials::complete(RunSetup& setup) const {
  if (known_.profile.trials.empty()) return;
  for (TaskSpec& task : setup.tasks)
    if (task.steps == 0) task.steps = steps_told(known_.profile, task);
  setup.costs = gang_costs(setup.tasks, setup.settings, known_.profile);
}

}  // namespace saturn
