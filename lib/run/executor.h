// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "launch/launcher.h"
#include "run/gang.h"
#include "run/halving.h"
#include "run/live_trials.h"
#include "run/looks.h"
#include "run/requests.h"
#include "run/run_store.h"
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
  double remaining_seconds_before = 0;  ///< of the current plan, with observed speeds; 0: it is not possible
  double remaining_seconds_after = 0;   ///< of the best one found, switches included
  std::string failure{};                ///< why there could be no look; empty: there was one
  /// Tasks that nothing of what is there now can run, and why.
  std::map<std::string, std::string> stranded{};
};

/// Looks at a run in progress (paper, Algorithm 2) without holding it up. Owned by the caller of the
/// executor.
class Introspector {
 public:
  virtual ~Introspector() = default;
  /// Starts to look at the remaining work, in place of a look that is still under way.
  virtual void consider(const RunSetup& setup, const RunState& state, const Plan& current,
                        const std::string& reason) = 0;
  /// The outcome, once, when there is one.
  virtual std::optional<Proposal> take() = 0;
  /// The tasks of the run have changed: reads anew what was measured. A look that is under way is given up.
  virtual void tasks_changed() {}
};

/// Is told what goes on; shows it. All calls come from the executor's thread.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void message(const std::string& text) = 0;
  /// The run is one of these tasks from now on.
  virtual void tasks_changed(const std::vector<TaskSpec>& tasks) { (void)tasks; }
  /// The run has these devices from now on; those that were taken out are still among them.
  virtual void cluster_changed(const Cluster& cluster) { (void)cluster; }
  /// After everything that happened, and at least about once a second.
  virtual void update(const RunState& state, const Plan& plan) = 0;
};

enum class RunEnd { kDone, kSomeFailed, kInterrupted, kOutOfBudget };

/// What the executor acts through. Not owned.
struct RunEffects {
  Launcher& launcher;
  Clock& clock;
  RunStore& store;
  RunObserver& observer;
  const Interrupt& interrupt;
  Introspector* introspector = nullptr;  ///< null: the plan stays
  RunRequests* requests = nullptr;       ///< null: nobody asks for changes
  LiveTrials* trials = nullptr;          ///< null: tasks that have not been measured wait
  Seconds tick{1};                       ///< the observer is told at least so often
};

/// Carries out a plan: one event loop with one blocking call, Launcher::wait. Everything is in the journal
/// before it is acted on.
class Executor {
 public:
  /// `state`: where the journal says the run stands.
  Executor(RunSetup setup, Plan plan, RunState state, RunEffects effects);

  /// Until everything is finished or given up, the budget is spent, or an interrupt has stopped it. Errors:
  /// SystemError (the journal cannot be written; every gang has been stopped then).
  RunEnd run();

  const RunSetup& setup() const { return setup_; }
  const RunState& state() const { return state_; }
  const Plan& plan() const { return plan_; }

 private:
  /// What the executor knows of a gang beyond the journal.
  struct Live {
    std::string task;
    int number = 0;          ///< counted over the session's gangs
    std::int64_t steps = 0;  ///< of the whole task, as its job says
    double last_news = 0;
    double ahead_at = 0;  ///< from then on it is near its end: the next one for its devices comes up
    bool released = false;
    std::optional<double> stop_asked_at;
    bool left = false;         ///< it said that it has stopped or finished
    bool budget_ends = false;  ///< it was told to leave for the budget's sake
    bool late = false;         ///< that it is has been noticed
    std::string device_lost;   ///< why; empty: they are all there
    std::optional<Failed> failure;
    SpeedEstimate speed;
  };

  /// Of the budget of the whole run: what is used, and what is spoken for; device seconds.
  struct BudgetUse {
    double device_seconds = 0;
    double devices = 0;   ///< that gangs hold now
    double leaving = 0;   ///< that they still need to leave
    double reserved = 0;  ///< for what is to end within the budget; 0 when device time is not limited
    std::map<std::string, double> checkpoints{};  ///< seconds, of all gangs of a node
  };

  /// A gang that waits at the gate for devices that are still in use. Nothing of it is in the journal.
  struct Ahead {
    GangId gang = kNoGang;
    GangSpec spec;
    bool dead = false;  ///< it will be started when its time has come, as if there had been none
  };

  double now() const { return (effects_.clock.now() - began_).count(); }
  bool interrupted() const { return effects_.interrupt.signal != 0; }
  /// Nothing is started any more.
  bool is_ending() const { return interrupted() || failed_fast_ || budget_ends_; }
  void record(const Record& record);
  void reopen();
  void loop();
  void wait();
  bool work_is_left() const;
  Seconds until_next() const;
  void start_due();
  std::vector<const Assignment*> startable() const;
  void start(const Assignment& assignment);
  GangId start_or_admit(const GangSpec& gang);
  void start_ahead();
  void expect_end(Live& live);
  std::set<std::string> about_to_leave();
  void come_up(const Assignment& assignment);
  void dismiss(const std::string& task);
  void dismiss_all();
  void give_up(const std::string& task, const std::string& why);
  bool give_up_the_rest();
  void on_news(const GangNews& news);
  void on_event(GangId gang, Live& live, const Event& event);
  void on_finish(Live& live, const Finished& finished);
  void on_exit(GangId gang, const GangExited& exited);
  void on_lost(const DevicesLost& news);
  void on_back(const DevicesBack& news);
  std::string failure_text(const Live& live, const GangExited& exited) const;
  void on_failure(const Live& live, const std::string& why);
  void rule_out(const std::string& task, const std::string& why);
  void give_up_or_retry(const std::string& task, const std::string& why, bool started);
  std::string move_elsewhere(const std::string& task);
  void keep_moves(double until);
  void check_interrupt();
  BudgetUse budget_use() const;
  double least_seconds(const Assignment& line, const BudgetUse& use) const;
  void keep_within_budget(std::vector<const Assignment*>& lines) const;
  bool may_start(const Assignment& line, const BudgetUse& use) const;
  void check_budget();
  void end_budget();
  void leave_for_budget(GangId gang, Live& live);
  bool budget_is_spent();
  void check_gangs();
  void check_hung(GangId gang, Live& live);
  void check_late(Live& live);
  double tolerated_seconds(const GangStarted& gang) const;
  double check_at(const Live& live) const;
  double silence_limit(const Live& live) const;
  void want_look(std::string reason);
  void need_look(std::string reason);
  void plan_again(std::string reason);
  /// Between two times: with ten thousand tasks each takes milliseconds.
  static constexpr double kRungsJudgedApart = 0.1;
  void judge_rungs();
  bool judge_once();
  void pause(const std::string& task, const RungVerdict& verdict);
  void let_go_on(const std::string& task, const RungVerdict& verdict);
  void end_at_rung(const std::string& task, const RungVerdict& verdict);
  void ask_to_leave(GangId gang, Live& live);
  void ask_to_leave_once(GangId gang, Live& live);
  void check_requests();
  std::string refusal(const RunChange& change) const;
  std::string apply_change(const RunChange& change, const std::vector<LiveTrials::Need>& needs);
  std::vector<std::string> change_tasks(const RunChange& change);
  std::vector<std::string> change_cluster(const RunChange& asked);
  std::vector<std::string> change_budget(const BudgetSettings& settings);
  Budget new_budget(const BudgetSettings& settings) const;
  void stop_changed(const std::set<std::string>& names);
  const Node* node_to_lend(const LiveTrials::Need& need) const;
  std::vector<Device> standing_devices(const Node& node) const;
  std::string lend_devices(const std::vector<LiveTrials::Need>& needs);
  void measure();
  void end_measuring(const std::string& why);
  void introspect();
  void take(const Proposal& proposal);
  bool outdated(const Plan& plan) const;
  void adopt(const Proposal& proposal);
  void stop_all();
  void drain();

  RunSetup setup_;
  Plan plan_;
  RunState state_;
  RunEffects effects_;
  Seconds began_;
  Looks looks_;
  std::string last_warning_;  ///< said once, not at every look
  int interrupts_seen_ = 0;
  int gangs_ = 0;          ///< started so far
  int gangs_at_look_ = 0;  ///< when the look that is under way began
  bool failed_fast_ = false;
  bool budget_ends_ = false;
  bool others_rest_ = false;  ///< what is beyond the budget is not started while others need what is left
  bool rungs_stale_ = true;   ///< what becomes of tasks at rungs may have changed
  double rungs_judged_at_ = -1;
  bool stale_ = true;  ///< what is due may have changed
  double next_request_check_ = 0;
  double next_budget_check_ = std::numeric_limits<double>::infinity();
  double keep_plan_at_ = std::numeric_limits<double>::infinity();  ///< tasks have been moved in it
  double next_check_ = 0;                                          ///< when a gang may be hung or late
  double next_start_ahead_ = 0;                                    ///< when a gang may be near its end
  double looked_ahead_at_ = -1;                      ///< when it was last asked which gangs those are
  std::set<std::pair<std::string, int>> withdrawn_;  ///< devices that are no part of the cluster any more
  Cluster lent_;                                     ///< for trials
  bool measuring_ = false;                           ///< trials have begun
  std::string measuring_trouble_;
  std::map<GangId, Live> live_;
  std::map<std::string, Ahead> ahead_;           ///< by task
  std::map<std::string, double> retry_at_;       ///< tasks whose processes could not be started a moment ago
  std::map<std::string, std::string> stranded_;  ///< tasks that nothing can run, and why
};

}  // namespace saturn
