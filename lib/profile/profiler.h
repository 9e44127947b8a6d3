// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cluster/cluster.h"
#include "launch/launcher.h"
#include "profile/cache.h"
#include "profile/profile.h"
#include "profile/trials.h"

namespace saturn {

/// Where profiling stands; `text` says what just ended, "" when only time has passed.
struct ProfileProgress {
  int done = 0;     ///< trials with an answer, those from the cache included
  int total = 0;    ///< all trials of the plan
  int running = 0;  ///< gangs under way
  std::string text;
};

struct ProfileOptions {
  std::filesystem::path worker;   ///< saturn-worker
  std::filesystem::path saturn;   ///< saturn: starts commands
  std::filesystem::path scratch;  ///< job files, logs and measured checkpoints; a folder per trial, made and
                                  ///< emptied here. Logs of failed trials stay.
  TrialConditions conditions;  ///< their settings also say how long to measure and the time limit of a trial
  TrialCache cache{""};
  Seconds stop_grace{5};                      ///< from TERM to KILL: a trial has nothing to save
  const std::atomic<bool>* cancel = nullptr;  ///< set by another thread or a signal handler; not owned
  std::function<void(const ProfileProgress&)> progress;
};

struct ProfileResult {
  Profile profile;  ///< every row that is known, ordered
  int cached = 0;   ///< trials answered by the cache
  int measured = 0;
  int failed = 0;          ///< of the measured ones: those with a TrialFailed row
  bool cancelled = false;  ///< trials are missing; what was measured is in the profile and in the cache
  std::vector<std::string> warnings;  ///< the cache could not be written, say
};

/// What the cache answers of a plan, nothing started.
struct KnownTrials {
  Profile profile;                   ///< the rows that are known, ordered
  std::vector<std::string> missing;  ///< trials that it does not answer: "a ddp on 2 devices"
};
KnownTrials known_trials(const TrialPlan& plan, const Cluster& cluster, const ProfileOptions& options);

/// Trials step by step, for whoever has a loop of its own around the launcher and other gangs in it. As
/// `run_trials`, but on the nodes that are lent alone.
class TrialRunner {
 public:
  /// Starts nothing yet. `lent`: nodes of `cluster` with those of their devices that may be used; what
  /// decides the figures is the cluster. The launcher and the clock are not owned; `options.cancel` is not
  /// looked at.
  TrialRunner(TrialPlan plan, Cluster cluster, Cluster lent, Launcher& launcher, const Clock& clock,
              ProfileOptions options);
  TrialRunner(const TrialRunner&) = delete;
  TrialRunner& operator=(const TrialRunner&) = delete;
  ~TrialRunner();

  /// Starts what fits, and ends what takes too long. Errors: SystemError.
  void go_on();
  /// False: the news are of none of its gangs.
  bool handle(const GangNews& news);
  /// Nothing runs any more, and nothing is to be started.
  bool done() const;
  Seconds until_next() const;
  /// Every gang leaves, nothing more is started.
  void cancel();
  /// Once, when it is done.
  ProfileResult take_result();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// Runs the trials that the cache does not answer, packed side by side on the cluster: the widest first, each
/// gang on free devices of one node, each under the settings' time limit. Devices left over while the last
/// trials run are kept busy with copies of them, whose results are dropped: devices share the memory bus, and
/// a trial measured alone would promise a speed that a full machine does not reach. Results go into the cache
/// as they come. How a trial can end: its rows are what the gang reported; a gang out of memory, stuck over
/// the limit or dead adds an OutOfMemory or TrialFailed row after them. Errors: SystemError (nothing left
/// running; the cache keeps what was measured).
ProfileResult run_trials(const TrialPlan& plan, const Cluster& cluster, Launcher& launcher,
                         const Clock& clock, const ProfileOptions& options);

}  // namespace saturn
