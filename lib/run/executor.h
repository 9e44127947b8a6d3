// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "launch/launcher.h"
#include "run/gang.h"
#include "run/journal.h"
#include "run/speed.h"

namespace saturn {

/// Set by signal handlers, read by the executor. `count`: how often one came; the second kills.
struct Interrupt {
  std::atomic<int> signal{0};
  std::atomic<int> count{0};
};

/// A better plan for what is left, or why there is none.
struct Proposal {
  std::string reason;        ///< what made the plan be looked at again
  std::optional<Plan> plan;  ///< absent: keep the current one. Times count from when it was asked for.
  double remaining_seconds_before = 0;  ///< of the current plan, with observed speeds
  double remaining_seconds_after = 0;   ///< of the proposed one, switches included
  std::string failure{};                ///< why there could be no look; empty: there was one
};

/// Looks at a run in progress (paper, Algorithm 2) without holding it up. Owned by the caller of the
/// executor.
class Introspector {
 public:
  virtual ~Introspector() = default;
  /// Starts to look at the remaining work; ignored while it is still at it.
  virtual void consider(const RunState& state, const Plan& current, const std::string& reason) = 0;
  /// The outcome, once, when there is one.
  virtual std::optional<Proposal> take() = 0;
};

/// Is told what goes on; shows it. All calls come from the executor's thread.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void message(const std::string& text) = 0;
  /// After everything that happened, and at least about once a second.
  virtual void update(const RunState& state, const Plan& plan) = 0;
};

enum class RunEnd { kDone, kSomeFailed, kInterrupted };

/// What the executor acts through. Not owned.
struct RunEffects {
  Launcher& launcher;
  Clock& clock;
  Journal& journal;
  RunObserver& observer;
  const Interrupt& interrupt;
  Introspector* introspector = nullptr;  ///< null: the plan stays
};

/// Carries out a plan: one event loop with one blocking call, Launcher::wait. Everything is in the journal
/// before it is acted on.
class Executor {
 public:
  /// `state`: where the journal says the run stands.
  Executor(RunSetup setup, Plan plan, RunState state, RunEffects effects);

  /// Until everything is finished or given up, or an interrupt has stopped it. Errors: SystemError (the
  /// journal cannot be written; every gang has been stopped then).
  RunEnd run();

  const RunState& state() const { return state_; }
  const Plan& plan() const { return plan_; }

 private:
  /// What the executor knows of a gang beyond the journal.
  struct Live {
    std::string task;
    double last_news = 0;
    bool released = false;
    bool stop_asked = false;
    bool left = false;  ///< it said that it has stopped or finished
    std::optional<Failed> failure;
    SpeedEstimate speed;
  };

  double now() const { return (effects_.clock.now() - began_).count(); }
  void record(const Record& record);
  void reopen();
  void loop();
  void start_due();
  std::vector<const Assignment*> startable() const;
  void start(const Assignment& assignment);
  void give_up(const std::string& task, const std::string& why);
  void on_news(const GangNews& news);
  void on_event(GangId gang, Live& live, const Event& event);
  void on_exit(GangId gang, const GangExited& exited);
  std::string failure_text(const Live& live, const GangExited& exited) const;
  void on_failure(const Live& live, const std::string& why);
  void give_up_or_retry(const std::string& task, const std::string& why);
  void check_interrupt();
  void check_hung();
  void introspect();
  bool outdated(const Proposal& proposal) const;
  void keep_first_plan();
  void adopt(const Proposal& proposal);
  void stop_all(Seconds grace);
  void drain();

  RunSetup setup_;
  Plan plan_;
  RunState state_;
  RunEffects effects_;
  Seconds began_;
  double next_introspection_ = 0;
  std::optional<double> asked_at_;  ///< when the look that is under way began
  std::string last_warning_;        ///< said once, not at every look
  int interrupts_seen_ = 0;
  bool first_plan_kept_ = false;
  std::map<GangId, Live> live_;
  std::map<std::string, double> retry_at_;  ///< tasks whose processes could not be started a moment ago
};

}  // namespace saturn
