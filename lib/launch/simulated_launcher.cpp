// SPDX-License-Identifier: Apache-2.0
#include "launch/simulated_launcher.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <deque>
#include <map>
#include <set>
#include <signal.h>
#include <utility>

#include "base/error.h"

namespace saturn {
namespace {

constexpr double kNever = 1e300;
constexpr int kKilled = 128 + SIGKILL;

/// What a gang is at; `next` is when that is done.
enum class Doing { kStartingUp, kWaitingForGo, kTraining, kHeld, kValidating, kLeaving, kHanging };

struct Gang {
  std::string task;
  std::set<std::pair<std::string, int>> devices;  ///< each with its node
  SimulatedGang behaviour;
  Doing doing = Doing::kStartingUp;
  std::int64_t step = 0;       ///< done, and reached at the beginning of what it does now
  std::int64_t until = 0;      ///< training: the step that it comes to next without a stop
  double began = 0;            ///< training: when it left `step`
  double step_seconds = 1;     ///< training: of these steps
  double checkpointed_at = 0;  ///< or released at, if later
  double validated_at = 0;     ///< when the validation under way will be over
  double next = kNever;
  double kill_at = kNever;
  bool stopping = false;

  double due() const { return std::min(next, kill_at); }
  bool last() const { return step >= behaviour.steps; }
  double loss() const {
    return behaviour.loss ? behaviour.loss(step) : 1.0 / static_cast<double>(std::max<std::int64_t>(step, 1));
  }
};

std::string node_of(const GangSpec& spec, int rank) {
  for (const NodeShare& share : spec.job.nodes) {
    if (rank < share.ranks) return share.node;
    rank -= share.ranks;
  }
  return spec.node;
}

std::int64_t next_multiple(std::int64_t step, std::int64_t every, std::int64_t otherwise) {
  return every > 0 ? (step / every + 1) * every : otherwise;
}

/// Whether the next step is the one that it dies in.
bool doomed(const Gang& gang) {
  return gang.behaviour.dies_at_step && gang.step + 1 == *gang.behaviour.dies_at_step;
}

/// The next step after which something is to be done.
std::int64_t next_stop(const Gang& gang) {
  const SimulatedGang& b = gang.behaviour;
  if (doomed(gang)) return gang.step + 1;
  std::int64_t to = std::min(b.steps, next_multiple(gang.step, b.report_every_steps, b.steps));
  to = std::min(to, next_multiple(gang.step, b.checkpoint_every_steps, b.steps));
  if (b.validation_seconds > 0) to = std::min(to, next_multiple(gang.step, b.validate_every_steps, b.steps));
  for (const std::int64_t step : b.validate_at)
    if (step > gang.step) to = std::min(to, step);
  if (b.dies_at_step && gang.step + 1 < *b.dies_at_step) to = std::min(to, *b.dies_at_step - 1);
  if (b.checkpoint_every_seconds > 0) {
    const double left = gang.checkpointed_at + b.checkpoint_every_seconds - gang.began;
    const double steps = std::max(1.0, std::ceil(left / gang.step_seconds));
    if (steps < static_cast<double>(to - gang.step)) to = gang.step + static_cast<std::int64_t>(steps);
  }
  return to;
}

class SimulatedLauncher final : public Launcher {
 public:
  SimulatedLauncher(ManualClock& clock, SimulatedWorld world)
      : clock_(clock), behaviour_(std::move(world.behaviour)), checkpoints_(std::move(world.checkpoints)) {
    for (const Outage& outage : world.outages) {
      outages_.emplace(outage.at_seconds, DevicesLost{outage.node, outage.devices, "simulated"});
      if (outage.back_at_seconds)
        outages_.emplace(*outage.back_at_seconds, DevicesBack{outage.node, outage.devices});
    }
  }

  GangId start(const GangSpec& spec) override;
  void admit(GangId id) override;
  void release(GangId id) override;
  void stop(GangId id, Seconds grace) override;
  void kill(GangId id) override;
  std::optional<GangNews> wait(Seconds timeout) override;
  void wake() override { woken_ = true; }

 private:
  double now() const { return clock_.now().count(); }
  void begin(GangId id, const GangSpec& spec, SimulatedGang behaviour);
  void at(GangId id, Gang& gang, double next);
  void happen(GangId id, Gang& gang);
  void get_ready(GangId id, Gang& gang);
  void train(GangId id, Gang& gang);
  void after_steps(GangId id, Gang& gang);
  void save_or_go_on(GangId id, Gang& gang);
  void die(GangId id, Gang& gang);
  void begin_validation(GangId id, Gang& gang);
  void go_on_validating(GangId id, Gang& gang);
  void begin_to_leave(GangId id, Gang& gang, double after);
  void leave_well(GangId id, Gang& gang);
  void checkpoint(GangId id, Gang& gang);
  void leave(GangId id, int code);
  void next_outage();

  ManualClock& clock_;
  std::function<SimulatedGang(const GangSpec&)> behaviour_;
  std::map<std::string, std::int64_t> checkpoints_;
  std::multimap<double, std::variant<DevicesLost, DevicesBack>> outages_;
  std::set<std::pair<std::string, int>> lost_;
  std::map<GangId, GangSpec> waiting_;  ///< for their devices
  std::map<GangId, Gang> gangs_;
  std::set<std::pair<double, GangId>> agenda_;  ///< of every gang, when it is due
  std::deque<GangNews> news_;
  bool woken_ = false;
  GangId next_id_ = 0;
};

GangId SimulatedLauncher::start(const GangSpec& spec) {
  const GangId id = next_id_++;
  if (spec.ahead) {
    waiting_.emplace(id, spec);
    return id;
  }
  const SimulatedGang behaviour = behaviour_(spec);
  if (behaviour.fails_to_start) throw SystemError("start", spec.ranks.at(0).at(0), EAGAIN);
  begin(id, spec, behaviour);
  return id;
}

/// What a real gang has done by then saves some of its start-up; here it saves nothing: the gang begins.
void SimulatedLauncher::admit(GangId id) {
  const auto spec = waiting_.extract(id);
  if (spec.empty()) return;
  const SimulatedGang behaviour = behaviour_(spec.mapped());
  begin(id, spec.mapped(), behaviour);
  if (behaviour.fails_to_start) leave(id, 1);
}

void SimulatedLauncher::begin(GangId id, const GangSpec& spec, SimulatedGang behaviour) {
  Gang& gang = gangs_[id] = {.task = spec.name, .behaviour = std::move(behaviour)};
  for (std::size_t rank = 0; rank < spec.job.devices.size(); ++rank)
    gang.devices.emplace(node_of(spec, static_cast<int>(rank)), spec.job.devices[rank].index);
  gang.step = checkpoints_[spec.name];
  if (!gang.behaviour.hangs_at_start) at(id, gang, now() + gang.behaviour.startup_seconds);
}

void SimulatedLauncher::release(GangId id) {
  const auto found = gangs_.find(id);
  if (found == gangs_.end()) return;
  found->second.checkpointed_at = now();
  train(id, found->second);
}

void SimulatedLauncher::stop(GangId id, Seconds grace) {
  const auto found = gangs_.find(id);
  if (found == gangs_.end()) return;
  Gang& gang = found->second;
  agenda_.erase({gang.due(), id});
  gang.kill_at = std::min(gang.kill_at, now() + grace.count());
  agenda_.insert({gang.due(), id});
  if (gang.behaviour.ignores_stop || std::exchange(gang.stopping, true)) return;
  if (gang.doing == Doing::kStartingUp || gang.doing == Doing::kWaitingForGo) return at(id, gang, now());
  if (gang.doing != Doing::kTraining || doomed(gang)) return;
  // It notices after the step under way.
  const double under_way = std::floor((now() - gang.began) / gang.step_seconds) + 1;
  gang.until = std::min(gang.until, gang.step + static_cast<std::int64_t>(under_way));
  at(id, gang, gang.began + static_cast<double>(gang.until - gang.step) * gang.step_seconds);
}

void SimulatedLauncher::kill(GangId id) {
  if (waiting_.erase(id) > 0) news_.push_back({id, GangExited{kKilled, 0}});
  if (gangs_.contains(id)) leave(id, kKilled);
}

void SimulatedLauncher::at(GangId id, Gang& gang, double next) {
  agenda_.erase({gang.due(), id});
  gang.next = next;
  agenda_.insert({gang.due(), id});
}

std::optional<GangNews> SimulatedLauncher::wait(Seconds timeout) {
  const double deadline = now() + timeout.count();
  if (std::exchange(woken_, false)) return {};
  while (news_.empty()) {
    const double soonest = agenda_.empty() ? kNever : agenda_.begin()->first;
    const double outage = outages_.empty() ? kNever : outages_.begin()->first;
    const double next = std::min(soonest, outage);
    if (next > deadline) {
      clock_.set(Seconds(deadline));
      return {};
    }
    clock_.set(Seconds(std::max(next, now())));
    if (outage <= soonest) {
      next_outage();
      continue;
    }
    const GangId id = agenda_.begin()->second;
    Gang& gang = gangs_.at(id);
    if (gang.kill_at <= gang.next) {
      kill(id);
    } else {
      happen(id, gang);
    }
  }
  GangNews first = std::move(news_.front());
  news_.pop_front();
  return first;
}

void SimulatedLauncher::next_outage() {
  const auto first = outages_.extract(outages_.begin());
  if (const auto* back = std::get_if<DevicesBack>(&first.mapped())) {
    for (const int device : back->devices) lost_.erase({back->node, device});
    return news_.push_back({kNoGang, *back});
  }
  const auto& lost = std::get<DevicesLost>(first.mapped());
  news_.push_back({kNoGang, lost});
  std::vector<GangId> hit;
  for (const int device : lost.devices) lost_.insert({lost.node, device});
  for (const auto& [id, gang] : gangs_) {
    const auto holds = [&, &held = gang.devices](int device) { return held.contains({lost.node, device}); };
    const bool on_it = std::any_of(lost.devices.begin(), lost.devices.end(), holds);
    if (on_it) hit.push_back(id);
  }
  for (const GangId id : hit) kill(id);
}

void SimulatedLauncher::happen(GangId id, Gang& gang) {
  switch (gang.doing) {
    case Doing::kStartingUp:
    case Doing::kWaitingForGo:
      return get_ready(id, gang);
    case Doing::kTraining:
      return after_steps(id, gang);
    case Doing::kHeld:
      return gang.stopping ? leave_well(id, gang) : train(id, gang);
    case Doing::kValidating:
      return go_on_validating(id, gang);
    case Doing::kLeaving:
      return leave_well(id, gang);
    case Doing::kHanging:
      return at(id, gang, kNever);
  }
}

void SimulatedLauncher::get_ready(GangId id, Gang& gang) {
  if (gang.stopping) {
    news_.push_back({id, Stopped{gang.step}});
    return leave(id, 0);
  }
  gang.doing = Doing::kWaitingForGo;
  at(id, gang, kNever);
  const std::string& skipped = gang.behaviour.skips_checkpoint;
  if (!skipped.empty()) news_.push_back({id, CheckpointSkipped{skipped}});
  news_.push_back({id, Ready{gang.step, gang.behaviour.startup_seconds}});
}

void SimulatedLauncher::train(GangId id, Gang& gang) {
  if (gang.last()) return begin_to_leave(id, gang, gang.behaviour.checkpoint_seconds);
  gang.doing = Doing::kTraining;
  gang.began = now();
  gang.step_seconds = gang.behaviour.step_seconds * (gang.behaviour.stretch ? gang.behaviour.stretch() : 1);
  gang.until = next_stop(gang);
  at(id, gang, now() + static_cast<double>(gang.until - gang.step) * gang.step_seconds);
}

void SimulatedLauncher::die(GangId id, Gang& gang) {
  if (gang.behaviour.fails_with) news_.push_back({id, *gang.behaviour.fails_with});
  gang.doing = Doing::kHanging;
  if (gang.behaviour.lingers) return at(id, gang, kNever);
  leave(id, gang.behaviour.fails_with ? 1 : kKilled);
}

void SimulatedLauncher::after_steps(GangId id, Gang& gang) {
  if (doomed(gang)) return die(id, gang);
  const SimulatedGang& b = gang.behaviour;
  gang.step = gang.until;
  if (gang.last() || (b.report_every_steps > 0 && gang.step % b.report_every_steps == 0))
    news_.push_back({id, StepDone{gang.step, gang.loss(), gang.step_seconds}});
  const bool by_schedule =
      b.validation_seconds > 0 && (gang.last() || gang.step % b.validate_every_steps == 0);
  const bool at_rung =
      std::find(b.validate_at.begin(), b.validate_at.end(), gang.step) != b.validate_at.end();
  if (by_schedule || (at_rung && !gang.last())) return begin_validation(id, gang);
  save_or_go_on(id, gang);
}

/// What was validated is told before the checkpoint is there, as by a worker: whoever goes on from it need
/// not do so again.
void SimulatedLauncher::save_or_go_on(GangId id, Gang& gang) {
  const SimulatedGang& b = gang.behaviour;
  if (gang.last() || gang.stopping) return begin_to_leave(id, gang, b.checkpoint_seconds);
  const bool by_steps = b.checkpoint_every_steps > 0 && gang.step % b.checkpoint_every_steps == 0;
  const bool by_time =
      b.checkpoint_every_seconds > 0 && now() >= gang.checkpointed_at + b.checkpoint_every_seconds;
  if (by_steps || by_time) checkpoint(id, gang);
  const bool held = (by_steps || by_time) && b.checkpoint_held_seconds > 0;
  if (!held) return train(id, gang);
  gang.doing = Doing::kHeld;
  at(id, gang, now() + b.checkpoint_held_seconds);
}

void SimulatedLauncher::begin_validation(GangId id, Gang& gang) {
  gang.doing = Doing::kValidating;
  gang.validated_at = now() + gang.behaviour.validation_seconds;
  at(id, gang, std::min(now() + gang.behaviour.alive_every_seconds, gang.validated_at));
}

void SimulatedLauncher::go_on_validating(GangId id, Gang& gang) {
  if (now() < gang.validated_at) {
    news_.push_back({id, Validating{gang.step, 0, 0}});
    return at(id, gang, std::min(now() + gang.behaviour.alive_every_seconds, gang.validated_at));
  }
  news_.push_back({id, Validated{gang.step, gang.loss(), gang.behaviour.validation_seconds}});
  save_or_go_on(id, gang);
}

void SimulatedLauncher::begin_to_leave(GangId id, Gang& gang, double after) {
  gang.doing = Doing::kLeaving;
  if (after <= 0) return leave_well(id, gang);
  at(id, gang, now() + after);
}

void SimulatedLauncher::leave_well(GangId id, Gang& gang) {
  checkpoint(id, gang);
  if (gang.last()) {
    news_.push_back({id, Finished{gang.step, gang.loss(), gang.loss(), "", gang.behaviour.ends_early}});
  } else {
    news_.push_back({id, Stopped{gang.step}});
  }
  leave(id, 0);
}

void SimulatedLauncher::checkpoint(GangId id, Gang& gang) {
  checkpoints_[gang.task] = gang.step;
  gang.checkpointed_at = now();
  news_.push_back({id, Checkpointed{gang.step, "checkpoint of " + gang.task, 0, 0}});
}

void SimulatedLauncher::leave(GangId id, int code) {
  const auto found = gangs_.find(id);
  agenda_.erase({found->second.due(), id});
  gangs_.erase(found);
  news_.push_back({id, GangExited{code, 0}});
}

}  // namespace

std::unique_ptr<Launcher> make_simulated_launcher(ManualClock& clock, SimulatedWorld world) {
  return std::make_unique<SimulatedLauncher>(clock, std::move(world));
}

}  // namespace saturn
