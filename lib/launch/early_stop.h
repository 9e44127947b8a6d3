// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "launch/job.h"
#include "workload/stop_rule.h"

namespace saturn {

/// Applies a task's stop rule while a gang trains it. Times are seconds on any one clock of the caller's.
class EarlyStop {
 public:
  /// `validations`: those before this gang, oldest first. `started_at`: when the gang was started.
  EarlyStop(const Job& job, std::vector<ValidationPoint> validations, double started_at);

  void add(ValidationPoint validation);
  /// Why the task is to end; empty: it goes on.
  std::string reason(double now) const;

 private:
  StopRule rule_;
  std::vector<ValidationPoint> validations_;
  double counts_from_;  ///< when the gang would have started had it done all the training there was
};

}  // namespace saturn
