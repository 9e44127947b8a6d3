// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "train/rank_context.h"

namespace saturn {

/// Mean and spread (standard deviation / mean) of step times. The plain mean: what a long run pays includes
/// its slow steps.
struct StepTimes {
  double mean_seconds = 0;
  double spread = 0;
};
StepTimes summarize(const std::vector<double>& step_seconds);

/// A fresh communicator for candidate number `generation`; the one before is gone.
using MakeCommunicator = std::function<std::unique_ptr<Communicator>(int generation)>;

/// Measures every candidate of the job's parallelism one after another and reports each, then TrialDone.
/// Every rank calls. A candidate that runs out of memory or fails is an outcome; the ranks meet again, by a
/// new communicator, for the next one.
void run_trial(RankContext context, const Data& data, const MakeCommunicator& make_communicator);

}  // namespace saturn
