// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "launch/event.h"
#include "workload/workload.h"

namespace saturn {

/// Steps between two reports, and the time of each.
struct StepInterval {
  std::int64_t steps = 0;
  double step_seconds = 0;
};

/// Tells the time of steps from when a script reports them. What comes between two reports of steps and is
/// reported itself (a validation, a checkpoint) does not count as a step's time. Times are in seconds from
/// anywhere.
class StepClock {
 public:
  explicit StepClock(double start) : start_(start), last_(start) {}

  /// `step` steps are done. Empty for the first report (the start-up is in it) and for a number that has not
  /// risen.
  std::optional<StepInterval> step(std::int64_t step, double at);
  /// Something else is done; returns how long it took.
  double other(double at);

  bool reported() const { return step_.has_value(); }
  std::int64_t last_step() const { return step_.value_or(0); }
  double seconds_to_first_step() const { return first_ - start_; }
  /// Whether a step's number has ever fallen, or stayed.
  bool went_back() const { return went_back_; }

 private:
  double start_, last_, first_ = 0;
  std::optional<std::int64_t> step_;
  bool went_back_ = false;
};

/// Collects intervals until a trial has enough of them: the first `warmup_steps` steps are dropped, then
/// `trial_seconds` are measured, twice when the times are spread out.
class TrialTimes {
 public:
  explicit TrialTimes(const ProfileSettings& settings) : settings_(settings) {}

  void add(const StepInterval& interval);
  bool enough() const;
  bool empty() const { return intervals_.empty() && warmup_.empty(); }
  /// Step time, spread, steps and whether it stayed unstable; of whatever there is, the warm-up too when
  /// nothing came after it. Needs one interval.
  Measured measured() const;

 private:
  double span() const;

  ProfileSettings settings_;
  std::int64_t warmed_up_ = 0;
  std::vector<StepInterval> warmup_, intervals_;
};

}  // namespace saturn
