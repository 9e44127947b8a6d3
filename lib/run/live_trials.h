// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/units.h"
#include "cluster/cluster.h"
#include "launch/launcher.h"
#include "run/gang.h"

namespace saturn {

/// Measures tasks that come to a run which goes on, by gangs of its own in the run's launcher, on devices
/// that the executor lends it. One measuring at a time. Owned by the caller of the executor.
class LiveTrials {
 public:
  virtual ~LiveTrials() = default;

  struct Need {
    std::string device_kind;
    std::int64_t devices = 0;  ///< of the widest trial
  };
  /// What has to be lent before these tasks can be planned on the cluster; empty: everything is measured.
  /// Errors: InputError (tasks that nothing can train).
  virtual std::vector<Need> needs(const std::vector<TaskSpec>& tasks, const Cluster& cluster) = 0;
  /// Nothing else is on the devices of `lent` until it has ended. Of the tasks that it was asked last.
  /// Errors: InputError, SystemError, also of `go_on`; whatever has begun then still has to end.
  virtual void begin(const Cluster& lent) = 0;
  /// Goes on with what is due.
  virtual void go_on() = 0;
  virtual void handle(const GangNews& news) = 0;
  virtual Seconds until_next() const = 0;
  /// Every gang leaves; it ends soon.
  virtual void cancel() = 0;
  /// Once: it has ended, and what came of it, in words. Looks at the plan know the figures from then on.
  virtual std::optional<std::string> ended() = 0;
  /// What the figures say of the run's tasks: steps that only their scripts know, and what gangs cost.
  virtual void complete(RunSetup& setup) const = 0;
};

}  // namespace saturn
