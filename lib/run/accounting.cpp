// SPDX-License-Identifier: Apache-2.0
#include "run/accounting.h"

#include <algorithm>

namespace saturn {

double Accountant::Gang::last_checkpoint_at() const {
  return checkpoints.empty() ? *released : checkpoints.back().first;
}

double Accountant::Gang::useful_until(double end, End how, std::optional<double> asked) const {
  if (how == End::kBroke) return last_checkpoint_at();
  if (how != End::kLeft) return end;
  // Older journals do not say when it was told to leave: its last checkpoint was for that.
  return std::clamp(asked.value_or(last_checkpoint_at()), *released, end);
}

void Accountant::Task::add(Use use, double seconds, double devices) {
  time.gangs.*use += seconds;
  device_time.*use += seconds * devices;
}

void Accountant::Task::add(const GangTime& seconds, double devices) {
  for (const Use use :
       {&GangTime::training, &GangTime::starting, &GangTime::switching, &GangTime::stopping, &GangTime::lost})
    add(use, seconds.*use, devices);
}

GangTime Accountant::use_of(const Gang& gang, Use cause, double end, End how, std::optional<double> asked) {
  GangTime time;
  // Why it leaves may turn out to be the session's end; then it is not for a switch (end_session).
  const Use after = how == End::kBroke ? &GangTime::lost : &GangTime::switching;
  const bool ended_early = how == End::kLeft || how == End::kBroke;
  if (!gang.released) {
    time.*(ended_early ? after : cause) = end - gang.began;
    return time;
  }
  const double useful_until = gang.useful_until(end, how, asked);
  time.*cause += *gang.released - gang.began;
  time.training += useful_until - *gang.released;
  time.*after += end - useful_until;
  return time;
}

struct Accountant::Applier {
  Accountant& run;

  Task& task(const std::string& name) const { return run.tasks_[name]; }
  double time_of(double at) const { return run.begin_ + at; }

  void operator()(const SessionStarted& r) const {
    // A session that was killed wrote no end: its gangs died with it, at the latest thing known of it.
    run.end_session();
    run.begin_ = run.now_;
    run.lost_.clear();
    run.measuring_.clear();
    run.told_devices_ = !r.devices.empty();
    if (run.told_devices_) run.devices_.clear();
    for (const auto& [node, count] : r.devices)
      for (int device = 0; device < count; ++device) run.devices_.insert({node, device});
    run.count_devices();
  }
  void operator()(const GangStarted& r) const {
    Task& t = task(r.task);
    if (t.gang) run.end_gang(t, End::kBroke, {});
    t.without_gang() += run.now_ - t.since;
    t.over = false;
    t.left_seconds = 0;
    t.gang = Gang{.began = run.now_, .released = {}, .checkpoints = {}, .places = {}};
    for_each_part(r, [&](const std::string& node, const std::vector<int>& devices) {
      for (const int device : devices) t.gang->places.push_back({node, device});
    });
    run.use_devices(t.gang->places);
  }
  void operator()(const GangReleased& r) const {
    Task& t = task(r.task);
    if (!t.gang) return;
    t.gang->released = run.now_;
    t.gang->from_step = r.step;
    go_back(t, r.step);
  }
  void operator()(const CheckpointWritten& r) const {
    Task& t = task(r.task);
    if (t.gang && t.gang->released) t.gang->checkpoints.push_back({run.now_, r.step});
  }
  void operator()(const TaskFinished& r) const {
    Task& t = task(r.task);
    if (t.gang && t.gang->released) t.gang->checkpoints.push_back({run.now_, r.step});
    end_waiting(t, true);
  }
  void operator()(const GangEnded& r) const {
    Task& t = task(r.task);
    if (!t.gang) return;
    const End how = t.over ? End::kFinished : r.why == "stopped" ? End::kLeft : End::kBroke;
    run.end_gang(t, how, r.asked_at ? std::optional(time_of(*r.asked_at)) : std::nullopt);
  }
  void operator()(const TaskFailed& r) const { end_waiting(task(r.task), true); }
  void operator()(const TaskReopened& r) const { end_waiting(task(r.task), false); }
  void operator()(const TasksChanged& r) const {
    for (const std::string& name : r.dropped) end_waiting(task(name), true);
  }
  void operator()(const DevicesWentAway& r) const {
    for (const int device : r.devices) run.lost_.insert({r.node, device});
    run.count_devices();
  }
  void operator()(const DevicesCameBack& r) const {
    for (const int device : r.devices) {
      run.lost_.erase({r.node, device});
      if (run.told_devices_) run.devices_.insert({r.node, device});  // it may be new
    }
    run.count_devices();
  }
  void operator()(const MeasuringStarted& r) const {
    for (const int device : r.devices) run.measuring_.insert({r.node, device});
    run.count_devices();
  }
  void operator()(const MeasuringEnded&) const {
    run.measuring_.clear();
    run.count_devices();
  }
  void operator()(const SessionEnded&) const { run.end_session(); }
  void operator()(const PlanAdopted&) const {}
  template <class Other>
  void operator()(const Other&) const {}

  void end_waiting(Task& t, bool over) const {
    if (!t.gang) {
      t.without_gang() += run.now_ - t.since;
      t.since = run.now_;
    }
    t.over = over;
  }
};

void Accountant::apply(const Record& record) {
  std::visit(
      [&](const auto& r) {
        if constexpr (requires { r.at; }) advance(r.at);
      },
      record);
  std::visit(Applier{*this}, record);
}

/// To a time of the session.
void Accountant::advance(double at) {
  const double seconds = begin_ + at - now_;
  if (seconds <= 0) return;
  const auto devices = static_cast<double>(devices_.size());
  device_seconds_ += devices * seconds;
  away_ += away_count_ * seconds;
  measuring_time_ += measuring_count_ * seconds;
  idle_ += (devices - static_cast<double>(held_.size()) - away_count_ - measuring_count_) * seconds;
  now_ = begin_ + at;
}

void Accountant::use_devices(const std::vector<Place>& places) {
  for (const Place& place : places) {
    held_.insert(place);
    if (!devices_.insert(place).second || told_devices_) continue;
    // Nobody said that it is there: it was from the beginning.
    device_seconds_ += now_;
    idle_ += now_;
  }
  count_devices();
}

void Accountant::free_devices(const std::vector<Place>& places) {
  for (const Place& place : places) held_.erase(place);
  count_devices();
}

void Accountant::count_devices() {
  away_count_ = static_cast<double>(std::count_if(lost_.begin(), lost_.end(), [&](const Place& place) {
    return devices_.contains(place) && !held_.contains(place);
  }));
  measuring_count_ =
      static_cast<double>(std::count_if(measuring_.begin(), measuring_.end(), [&](const Place& place) {
        return devices_.contains(place) && !held_.contains(place) && !lost_.contains(place);
      }));
}

void Accountant::end_gang(Task& task, End how, std::optional<double> asked) {
  const Gang& gang = *task.gang;
  const auto devices = static_cast<double>(gang.places.size());
  const GangTime time = use_of(gang, task.cause, now_, how, asked);
  task.add(time, devices);
  if (gang.released) {
    note_training(task, gang.useful_until(now_, how, asked));
    task.cause = how == End::kLeft    ? &GangTime::switching
                 : how == End::kBroke ? &GangTime::lost
                                      : &GangTime::starting;
  }
  if (how == End::kLeft) {
    task.left_seconds = gang.released ? now_ - gang.useful_until(now_, how, asked) : now_ - gang.began;
    task.left_devices = devices;
  }
  free_devices(gang.places);
  task.gang.reset();
  task.since = now_;
}

/// Nothing runs any more, and what has left has not left for another place.
void Accountant::end_session() {
  for (auto& [name, task] : tasks_) {
    if (task.gang) end_gang(task, task.over ? End::kFinished : End::kBroke, {});
    if (task.left_seconds <= 0) continue;
    task.add(&GangTime::switching, -task.left_seconds, task.left_devices);
    task.add(&GangTime::stopping, task.left_seconds, task.left_devices);
    task.left_seconds = 0;
    if (task.cause == &GangTime::switching) task.cause = &GangTime::stopping;
  }
}

void Accountant::note_training(Task& task, double until) {
  const Gang& gang = *task.gang;
  Stretch stretch{.from_step = gang.from_step, .devices = static_cast<double>(gang.places.size())};
  double from = *gang.released;
  for (const auto& [at, step] : gang.checkpoints) {
    stretch.to_step = step;
    stretch.seconds = std::max(0.0, std::min(at, until) - from);
    task.trained.push_back(stretch);
    stretch.from_step = step;
    from = std::max(from, std::min(at, until));
  }
}

/// Its last checkpoints were not there or damaged: what led to them was for nothing.
void Accountant::go_back(Task& task, std::int64_t step) {
  while (!task.trained.empty() && task.trained.back().to_step > step) {
    Stretch& last = task.trained.back();
    const auto all = static_cast<double>(last.to_step - last.from_step);
    const double share = last.from_step < step ? static_cast<double>(last.to_step - step) / all : 1;
    task.add(&GangTime::training, -share * last.seconds, last.devices);
    task.add(&GangTime::lost, share * last.seconds, last.devices);
    if (last.from_step >= step) {
      task.trained.pop_back();
      continue;
    }
    last.seconds *= 1 - share;
    last.to_step = step;
  }
}

Accounts Accountant::accounts() const {
  Accounts accounts{.makespan_seconds = now_, .device_seconds = device_seconds_, .gangs = {}, .tasks = {}};
  accounts.away = away_;
  accounts.measuring = measuring_time_;
  accounts.idle = idle_;
  for (const auto& [name, original] : tasks_) {
    Task task{.time = original.time, .device_time = original.device_time, .over = original.over};
    if (original.gang) {
      const End how = original.over ? End::kFinished : End::kNotYet;
      task.add(use_of(*original.gang, original.cause, now_, how, {}),
               static_cast<double>(original.gang->places.size()));
    } else {
      task.without_gang() += now_ - original.since;
    }
    accounts.tasks[name] = task.time;
    for (const Use use : {&GangTime::training, &GangTime::starting, &GangTime::switching, &GangTime::stopping,
                          &GangTime::lost})
      accounts.gangs.*use += task.device_time.*use;
  }
  return accounts;
}

Accounts account(const std::vector<Record>& records) {
  Accountant accountant;
  for (const Record& record : records) accountant.apply(record);
  return accountant.accounts();
}

}  // namespace saturn
