// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <doctest/doctest.h>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "launch/job.h"
#include "launch/launcher.h"

namespace saturn::test {

using What = decltype(GangNews::what);

/// What a gang does, and when: seconds after its release (Ready always comes after `ready_after` seconds).
struct Script {
  struct Line {
    double after = 0;
    What what;
  };
  double ready_after = 1;
  std::vector<Line> lines;
  bool obeys_stop = true;  ///< leaves at once when stopped; otherwise only when killed after the grace
};

/// Gangs that follow scripts in simulated time. Fails the test when a device is used by two gangs at once.
class ScriptedLauncher final : public Launcher {
 public:
  struct Started {
    Job job;
    GangSpec spec;
    double at = 0;
  };

  ScriptedLauncher(ManualClock& clock, std::function<Script(const Job&)> script)
      : clock_(clock), script_(std::move(script)) {}

  GangId start(const GangSpec& spec) override {
    const GangId id = static_cast<GangId>(started.size());
    started.push_back({read_job(spec.ranks.at(0).at(2)), spec, clock_.now().count()});
    Gang gang{script_(started.back().job), {}, {}};
    const Job& job = started.back().job;
    for (size_t rank = 0; rank < job.devices.size(); ++rank) {
      const std::string node = node_of(spec, job, static_cast<int>(rank));
      const int index = job.devices[rank].index;
      const bool free = taken_.emplace(node, index).second;
      CHECK_MESSAGE(free, "device ", index, " of node ", node, " is taken");
      gang.devices.emplace_back(node, index);
    }
    gang.queue.emplace(clock_.now().count() + gang.script.ready_after, Event(Ready{}));
    gangs_.emplace(id, std::move(gang));
    most_at_once = std::max(most_at_once, gangs_.size());
    return id;
  }

  void admit(GangId) override { FAIL("trials do not wait for devices"); }

  void release(GangId id) override {
    Gang& gang = gangs_.at(id);
    for (const auto& line : gang.script.lines)
      gang.queue.emplace(clock_.now().count() + line.after, line.what);
  }

  void stop(GangId id, Seconds grace) override {
    stopped.push_back(id);
    Gang& gang = gangs_.at(id);
    const bool obeys = gang.script.obeys_stop;
    gang.queue.clear();
    gang.queue.emplace(clock_.now().count() + (obeys ? 0 : grace.count()), GangExited{obeys ? 143 : 137, 0});
  }

  void kill(GangId id) override { stop(id, Seconds(0)); }

  /// The next line of any script within the timeout; time passes until then.
  std::optional<GangNews> wait(Seconds timeout) override {
    if (before_wait) before_wait();
    auto next = gangs_.end();
    for (auto gang = gangs_.begin(); gang != gangs_.end(); ++gang) {
      if (gang->second.queue.empty()) continue;
      if (next == gangs_.end() || time_of(*gang) < time_of(*next)) next = gang;
    }
    const double until = clock_.now().count() + timeout.count();
    if (next == gangs_.end() || time_of(*next) > until) {
      clock_.set(Seconds(until));
      return {};
    }
    clock_.set(Seconds(std::max(time_of(*next), clock_.now().count())));
    GangNews news{next->first, next->second.queue.begin()->second};
    if (std::holds_alternative<DevicesLost>(news.what)) news.gang = kNoGang;
    next->second.queue.erase(next->second.queue.begin());
    if (std::holds_alternative<GangExited>(news.what)) {
      for (const auto& device : next->second.devices) taken_.erase(device);
      gangs_.erase(next);
    }
    return news;
  }

  void wake() override {}

  std::vector<Started> started;
  std::vector<GangId> stopped;
  size_t most_at_once = 0;
  std::function<void()> before_wait;

 private:
  struct Gang {
    Script script;
    std::multimap<double, What> queue;
    std::vector<std::pair<std::string, int>> devices;
  };
  static std::string node_of(const GangSpec& spec, const Job& job, int rank) {
    for (const NodeShare& share : job.nodes) {
      if (rank < share.ranks) return share.node;
      rank -= share.ranks;
    }
    return spec.node;
  }
  static double time_of(const std::pair<const GangId, Gang>& gang) {
    return gang.second.queue.begin()->first;
  }

  ManualClock& clock_;
  std::function<Script(const Job&)> script_;
  std::map<GangId, Gang> gangs_;
  std::set<std::pair<std::string, int>> taken_;
};

}  // namespace saturn::test
