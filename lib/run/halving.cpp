// SPDX-License-Identifier: Apache-2.0
#include "run/halving.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace saturn {
namespace {

using Kind = RungVerdict::Kind;
using Phase = TaskState::Phase;

/// The loss at the rung, or at the first validation after it (scripts validate when they like); one that is
/// no number is the worst. Empty: it has not come there.
std::optional<double> loss_at(const TaskState* task, std::int64_t rung) {
  if (task == nullptr || task->phase == Phase::kFailed || task->phase == Phase::kDropped) return {};
  const auto found = task->validations.lower_bound(rung);
  if (found == task->validations.end()) return {};
  return std::isfinite(found->second) ? found->second : std::numeric_limits<double>::infinity();
}

/// One rung, judged after those below it.
class Rung {
 public:
  Rung(std::int64_t step, std::int64_t reduction) : step_(step), reduction_(static_cast<size_t>(reduction)) {}

  void add(const std::string& task, double loss) { losses_.emplace_back(loss, task); }
  void expect_another() { closed_ = false; }

  void judge() {
    std::stable_sort(losses_.begin(), losses_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    const size_t share = losses_.size() / reduction_;
    places_ = closed_ ? std::max<size_t>(1, share) : share;
    for (size_t place = 0; place < losses_.size(); ++place) place_[losses_[place].second] = place;
  }
  RungVerdict verdict(const std::string& task, bool has_passed) const {
    const size_t place = place_.at(task);
    const Kind kind = has_passed || place < places_ ? Kind::kGoesOn : closed_ ? Kind::kIsOut : Kind::kWaits;
    return {kind, step_, static_cast<int>(place) + 1, static_cast<int>(losses_.size())};
  }

 private:
  std::int64_t step_;
  size_t reduction_;
  bool closed_ = true;
  size_t places_ = 0;
  std::vector<std::pair<double, std::string>> losses_;
  std::map<std::string, size_t> place_;  ///< from 0, of those in `losses_`
};

}  // namespace

std::map<std::string, RungVerdict> rung_verdicts(const HalvingSettings& settings,
                                                 const std::vector<TaskSpec>& tasks, const RunState& state) {
  std::map<std::string, RungVerdict> verdicts;
  std::map<std::string, bool> is_out;
  for (const std::int64_t step : settings.rungs) {
    Rung rung(step, settings.reduction_factor);
    for (const TaskSpec& task : tasks) {
      const TaskState* now = state.task(task.name);
      const auto loss = loss_at(now, step);
      if (loss) rung.add(task.name, *loss);
      if (!loss && !state.is_over(task.name) && !is_out[task.name] && task.steps >= step)
        rung.expect_another();
    }
    rung.judge();
    for (const TaskSpec& task : tasks) {
      const TaskState* now = state.task(task.name);
      if (!loss_at(now, step) || now->over()) continue;
      const RungVerdict verdict = rung.verdict(task.name, now->rung_passed >= step);
      is_out[task.name] = verdict.kind == Kind::kIsOut;
      verdicts[task.name] = verdict;
    }
  }
  return verdicts;
}

std::int64_t planned_steps(const HalvingSettings& settings, const TaskSpec& task, const TaskState* state) {
  const std::int64_t passed = state == nullptr ? 0 : state->rung_passed;
  for (const std::int64_t step : settings.rungs)
    if (step > passed && step < task.steps) return step;
  return task.steps;
}

}  // namespace saturn
