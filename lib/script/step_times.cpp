// SPDX-License-Identifier: Apache-2.0
#include "script/step_times.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

namespace saturn {
namespace {

std::int64_t steps_of(const std::vector<StepInterval>& intervals) {
  std::int64_t steps = 0;
  for (const StepInterval& interval : intervals) steps += interval.steps;
  return steps;
}

/// Mean of a step, and standard deviation / mean; an interval counts as often as it has steps.
std::pair<double, double> mean_and_spread(const std::vector<StepInterval>& intervals) {
  double sum = 0, squares = 0;
  const auto count = static_cast<double>(steps_of(intervals));
  for (const StepInterval& i : intervals) sum += i.step_seconds * static_cast<double>(i.steps);
  const double mean = sum / count;
  for (const StepInterval& i : intervals)
    squares += (i.step_seconds - mean) * (i.step_seconds - mean) * static_cast<double>(i.steps);
  return {mean, mean > 0 ? std::sqrt(squares / count) / mean : 0};
}

}  // namespace

std::optional<StepInterval> StepClock::step(std::int64_t step, double at) {
  const double seconds = at - last_;
  last_ = at;
  if (!step_) {
    step_ = step;
    first_ = at;
    return {};
  }
  const std::int64_t steps = step - *step_;
  if (steps <= 0) {
    went_back_ = true;
    return {};
  }
  step_ = step;
  return StepInterval{steps, seconds / static_cast<double>(steps)};
}

double StepClock::other(double at) {
  return at - std::exchange(last_, at);
}

void TrialTimes::add(const StepInterval& interval) {
  if (warmed_up_ < settings_.warmup_steps) {
    warmed_up_ += interval.steps;
    warmup_.push_back(interval);
  } else {
    intervals_.push_back(interval);
  }
}

double TrialTimes::span() const {
  double seconds = 0;
  for (const StepInterval& i : intervals_) seconds += i.step_seconds * static_cast<double>(i.steps);
  return seconds;
}

bool TrialTimes::enough() const {
  const std::int64_t steps = steps_of(intervals_);
  if (steps < settings_.min_steps) return false;
  const bool once = steps >= settings_.max_steps || span() >= settings_.trial_seconds;
  if (!once) return false;
  if (mean_and_spread(intervals_).second <= settings_.unstable_spread) return true;
  return steps >= 2 * settings_.max_steps || span() >= 2 * settings_.trial_seconds;
}

Measured TrialTimes::measured() const {
  const std::vector<StepInterval>& used = intervals_.empty() ? warmup_ : intervals_;
  Measured measured;
  measured.steps = steps_of(used);
  if (measured.steps == 0) return measured;
  std::tie(measured.step_seconds, measured.spread) = mean_and_spread(used);
  measured.unstable = measured.spread > settings_.unstable_spread;
  return measured;
}

}  // namespace saturn
