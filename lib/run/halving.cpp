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

/// A task on its way up.
struct Climber {
  const TaskSpec* task = nullptr;
  const TaskState* state = nullptr;      ///< null: nothing has happened to it
  std::optional<RungVerdict> verdict{};  ///< at the last rung judged that it has come to

  bool over() const { return state != nullptr && state->over(); }
  bool is_out() const { return verdict && verdict->kind == Kind::kIsOut; }
};

/// One rung, those below it judged.
void judge(std::int64_t step, std::int64_t reduction, std::vector<Climber>& climbers) {
  std::vector<std::pair<double, Climber*>> come;
  bool closed = true;
  for (Climber& climber : climbers) {
    if (const auto loss = loss_at(climber.state, step))
      come.emplace_back(*loss, &climber);
    else if (!climber.over() && !climber.is_out() && climber.task->steps >= step)
      closed = false;
  }
  std::stable_sort(come.begin(), come.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  const size_t share = come.size() / static_cast<size_t>(reduction);
  const size_t places = closed ? std::max<size_t>(1, share) : share;
  for (size_t place = 0; place < come.size(); ++place) {
    Climber& climber = *come[place].second;
    if (climber.over()) continue;
    const bool goes_on = climber.state->rung_passed >= step || place < places;
    climber.verdict = {goes_on  ? Kind::kGoesOn
                       : closed ? Kind::kIsOut
                                : Kind::kWaits,
                       step, static_cast<int>(place) + 1, static_cast<int>(come.size())};
  }
}

}  // namespace

std::vector<std::pair<std::string, RungVerdict>> rung_verdicts(const HalvingSettings& settings,
                                                               const std::vector<TaskSpec>& tasks,
                                                               const RunState& state) {
  std::vector<Climber> climbers;
  for (const TaskSpec& task : tasks) climbers.push_back({&task, state.task(task.name)});
  for (const std::int64_t step : settings.rungs) judge(step, settings.reduction_factor, climbers);
  std::vector<std::pair<std::string, RungVerdict>> verdicts;
  for (const Climber& climber : climbers)
    if (climber.verdict) verdicts.emplace_back(climber.task->name, *climber.verdict);
  return verdicts;
}

bool decides(const HalvingSettings& settings, const TaskState& task, std::int64_t step) {
  return std::any_of(settings.rungs.begin(), settings.rungs.end(), [&](std::int64_t rung) {
    const auto first = task.validations.lower_bound(rung);
    return first != task.validations.end() && first->first == step;
  });
}

std::int64_t planned_steps(const HalvingSettings& settings, const TaskSpec& task, const TaskState* state) {
  const std::int64_t passed = state == nullptr ? 0 : state->rung_passed;
  for (const std::int64_t step : settings.rungs)
    if (step > passed && step < task.steps) return step;
  return task.steps;
}

}  // namespace saturn
