// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "profile/profile.h"
#include "run/run_directory.h"
#include "workload/budget_settings.h"

namespace saturn {

/// What somebody asks of a run that goes on: to be a run of this from now on.
struct RunChange {
  std::string id;  ///< chosen by whoever asks
  RunIdentity run;
  std::vector<TaskSpec> tasks;  ///< those of `run` with their steps, also where only the profile tells them
  std::optional<Cluster> cluster{};        ///< to run on from now on; empty: the cluster stays
  std::optional<BudgetSettings> budget{};  ///< from now on; empty: the budget stays
};

/// What a run says to a change that is none.
inline constexpr const char* kNothingChanged = "nothing has changed";

/// What the run says to it.
struct RunAnswer {
  std::string id;
  bool taken = false;
  std::string text;  ///< what it has done, or why it has not; lines
  int looks = 0;     ///< at the plan so far (RunState::looks): the next one knows of the change
};

/// Where an executor looks for changes. One owner, one thread.
class RunRequests {
 public:
  virtual ~RunRequests() = default;
  /// The next change that is asked for, once. One that cannot be read is answered and passed over.
  virtual std::optional<RunChange> take() = 0;
  virtual void answer(const RunAnswer& answer) = 0;
};

/// Files of the run directory: request.json is read and removed, answer.json written. What an earlier session
/// left unanswered is removed.
std::unique_ptr<RunRequests> make_directory_requests(RunDirectory directory);

/// Asks the run that goes on in the directory, and waits for its answer; empty: there was none within
/// `patience` or the run has ended; the request is taken back then. Errors: SystemError; InputError when
/// another request is under way.
std::optional<RunAnswer> ask_run(const RunDirectory& directory, const RunChange& change, const Clock& clock,
                                 Seconds patience);

}  // namespace saturn
