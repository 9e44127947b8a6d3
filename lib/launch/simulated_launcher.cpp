// SPDX-License-Identifier: Apache-2.0
#include "launch/simulated_launcher.h"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <map>
#include <signal.h>
#include <utility>

#include "base/error.h"

namespace saturn {
namespace {

constexpr double kNever = 1e300;
constexpr int kKilled = 128 + SIGKILL;

struct Gang {
  std::string task;
  SimulatedGang behaviour;
  std::int64_t step = 0;
  double next = kNever;  ///< when it does its next thing
  double kill_at = kNever;
  bool ready = false;
  bool released = false;
  bool stopping = false;
  std::optional<double> validating_until;
};

class SimulatedLauncher final : public Launcher {
 public:
  SimulatedLauncher(ManualClock& clock, std::function<SimulatedGang(const GangSpec&)> behaviour)
      : clock_(clock), behaviour_(std::move(behaviour)) {}

  GangId start(const GangSpec& spec) override {
    Gang gang{.task = spec.name, .behaviour = behaviour_(spec)};
    if (gang.behaviour.fails_to_start) throw SystemError("start", spec.ranks.at(0).at(0), EAGAIN);
    gang.step = checkpoints_[spec.name];
    if (!gang.behaviour.hangs_at_start) gang.next = now() + gang.behaviour.startup_seconds;
    gangs_[next_id_] = gang;
    return next_id_++;
  }
  void release(GangId id) override {
    const auto found = gangs_.find(id);
    if (found == gangs_.end()) return;
    found->second.released = true;
    found->second.next = now() + found->second.behaviour.step_seconds;
  }
  void stop(GangId id, Seconds grace) override {
    const auto found = gangs_.find(id);
    if (found == gangs_.end()) return;
    Gang& gang = found->second;
    gang.stopping = true;
    gang.kill_at = now() + grace.count();
    // It notices between two steps; while it comes up, at once.
    if (!gang.released && !gang.behaviour.ignores_stop) gang.next = now();
  }
  void kill(GangId id) override {
    if (gangs_.erase(id) > 0) news_.push_back({id, GangExited{kKilled, 0}});
  }
  std::optional<GangNews> wait(Seconds timeout) override;
  void wake() override {}

 private:
  double now() const { return clock_.now().count(); }
  void happen(GangId id, Gang& gang);
  void after_step(GangId id, Gang& gang);
  void go_on_validating(GangId id, Gang& gang);
  void checkpoint(GangId id, const Gang& gang);
  void leave(GangId id, int code);

  ManualClock& clock_;
  std::function<SimulatedGang(const GangSpec&)> behaviour_;
  std::map<GangId, Gang> gangs_;
  std::map<std::string, std::int64_t> checkpoints_;
  std::deque<GangNews> news_;
  GangId next_id_ = 0;
};

std::optional<GangNews> SimulatedLauncher::wait(Seconds timeout) {
  const double deadline = now() + timeout.count();
  while (news_.empty()) {
    const auto soonest = std::min_element(gangs_.begin(), gangs_.end(), [](const auto& a, const auto& b) {
      return std::min(a.second.next, a.second.kill_at) < std::min(b.second.next, b.second.kill_at);
    });
    const double at =
        soonest == gangs_.end() ? kNever : std::min(soonest->second.next, soonest->second.kill_at);
    if (at > deadline) {
      clock_.set(Seconds(deadline));
      return {};
    }
    clock_.set(Seconds(std::max(at, now())));
    if (soonest->second.kill_at <= soonest->second.next) {
      kill(soonest->first);
    } else {
      happen(soonest->first, soonest->second);
    }
  }
  GangNews first = std::move(news_.front());
  news_.pop_front();
  return first;
}

void SimulatedLauncher::happen(GangId id, Gang& gang) {
  if (gang.validating_until) return go_on_validating(id, gang);
  if (gang.released) return after_step(id, gang);
  if (gang.stopping && !gang.behaviour.ignores_stop) {
    news_.push_back({id, Stopped{gang.step}});
    return leave(id, 0);
  }
  gang.ready = true;
  gang.next = kNever;
  const std::string& skipped = gang.behaviour.skips_checkpoint;
  if (!skipped.empty()) news_.push_back({id, CheckpointSkipped{skipped}});
  news_.push_back({id, Ready{gang.step, gang.behaviour.startup_seconds}});
}

void SimulatedLauncher::after_step(GangId id, Gang& gang) {
  const SimulatedGang behaviour = gang.behaviour;
  if (behaviour.dies_at_step && gang.step + 1 == *behaviour.dies_at_step) {
    if (behaviour.fails_with) news_.push_back({id, *behaviour.fails_with});
    gang.next = kNever;
    if (behaviour.lingers) return;
    return leave(id, behaviour.fails_with ? 1 : kKilled);
  }
  ++gang.step;
  gang.next = now() + behaviour.step_seconds;
  const bool last = gang.step >= behaviour.steps;
  if (last || gang.step % behaviour.report_every_steps == 0) {
    news_.push_back({id, StepDone{gang.step, 1.0 / static_cast<double>(gang.step), behaviour.step_seconds}});
  }
  const bool leaving = gang.stopping && !behaviour.ignores_stop;
  const bool due = behaviour.checkpoint_every_steps > 0 && gang.step % behaviour.checkpoint_every_steps == 0;
  if (last || leaving || due) checkpoint(id, gang);
  if (last) {
    news_.push_back({id, Finished{gang.step, 1.0 / static_cast<double>(gang.step), 0.5,
                                  "weights of " + gang.task, behaviour.ends_early}});
  } else if (leaving) {
    news_.push_back({id, Stopped{gang.step}});
  }
  if (last || leaving) return leave(id, 0);
  if (behaviour.validation_seconds <= 0) return;
  gang.validating_until = now() + behaviour.validation_seconds;
  gang.next = std::min(now() + behaviour.alive_every_seconds, *gang.validating_until);
}

void SimulatedLauncher::go_on_validating(GangId id, Gang& gang) {
  if (now() < *gang.validating_until) {
    news_.push_back({id, Validating{gang.step, 0, 0}});
    gang.next = std::min(now() + gang.behaviour.alive_every_seconds, *gang.validating_until);
    return;
  }
  gang.validating_until.reset();
  news_.push_back({id, Validated{gang.step, 0.5, gang.behaviour.validation_seconds}});
  gang.next = now() + gang.behaviour.step_seconds;
}

void SimulatedLauncher::checkpoint(GangId id, const Gang& gang) {
  checkpoints_[gang.task] = gang.step;
  news_.push_back({id, Checkpointed{gang.step, "checkpoint of " + gang.task, 0, 0}});
}

void SimulatedLauncher::leave(GangId id, int code) {
  gangs_.erase(id);
  news_.push_back({id, GangExited{code, 0}});
}

}  // namespace

std::unique_ptr<Launcher> make_simulated_launcher(ManualClock& clock,
                                                  std::function<SimulatedGang(const GangSpec&)> behaviour) {
  return std::make_unique<SimulatedLauncher>(clock, std::move(behaviour));
}

}  // namespace saturn
