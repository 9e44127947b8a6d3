// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "run/record.h"

namespace saturn {

/// What gangs used their time for: seconds, of one task, or times devices, of all of them.
struct GangTime {
  double training = 0;   ///< steps that count, their validations and checkpoints, the final weights
  double starting = 0;   ///< start-up of the first gang
  double switching = 0;  ///< told to leave for another place until gone, and start-up there
  double stopping = 0;   ///< told to leave by the session's end until gone, and start-up in the next session
  double lost = 0;       ///< after the last checkpoint of a gang that broke, and start-up after that

  double total() const { return training + starting + switching + stopping + lost; }
};

/// How one task spent the run; adds up to its makespan.
struct TaskTime {
  GangTime gangs;
  double waiting = 0;  ///< no gang of it runs, and there is something left to do
  double over = 0;     ///< it has finished or is given up

  double total() const { return gangs.total() + waiting + over; }
};

/// Where the time of a run went. Time between sessions is no part of it.
struct Accounts {
  double makespan_seconds = 0;
  double device_seconds = 0;  ///< of all devices until then; what follows adds up to it
  GangTime gangs;             ///< device seconds
  double away = 0;            ///< of lost devices, while no gang was left on them
  double measuring = 0;       ///< of those kept for trials of tasks that came in, without a gang of a task
  double idle = 0;            ///< of all others without a gang

  std::map<std::string, TaskTime> tasks;  ///< those that the journal knows, by name
};

/// Adds up a run's time record by record. A gang that runs still counts until the last record, its training
/// as if a checkpoint were there. The devices are those that a session's start names; of journals that do
/// not, all that gangs were ever on.
class Accountant {
 public:
  void apply(const Record& record);
  /// Of the records until now.
  Accounts accounts() const;

 private:
  /// Which part of a GangTime.
  using Use = double GangTime::*;
  using Place = std::pair<std::string, int>;  ///< node, device
  enum class End { kNotYet, kFinished, kLeft, kBroke };

  struct Gang {
    double began = 0;
    std::optional<double> released;
    std::int64_t from_step = 0;
    std::vector<std::pair<double, std::int64_t>> checkpoints;  ///< when, and the step
    std::vector<Place> places;

    double last_checkpoint_at() const;
    /// Until when it did what counts, if it ended at `end` and was told to leave at `asked`.
    double useful_until(double end, End how, std::optional<double> asked) const;
  };
  /// Training that counts, until it turns out that the task goes on from before it.
  struct Stretch {
    std::int64_t from_step = 0;
    std::int64_t to_step = 0;
    double seconds = 0;
    double devices = 0;
  };
  struct Task {
    TaskTime time;
    GangTime device_time;
    std::optional<Gang> gang;
    std::vector<Stretch> trained;
    Use cause = &GangTime::starting;  ///< of the next start-up
    double left_seconds = 0;          ///< of leaving, until it is known what for
    double left_devices = 0;
    double since = 0;  ///< that it has no gang
    bool over = false;

    void add(Use use, double seconds, double devices);
    void add(const GangTime& seconds, double devices);
    double& without_gang() { return over ? time.over : time.waiting; }
  };
  struct Applier;

  static GangTime use_of(const Gang& gang, Use cause, double end, End how, std::optional<double> asked);
  void advance(double at);
  void use_devices(const std::vector<Place>& places);
  void free_devices(const std::vector<Place>& places);
  void count_devices();
  void end_gang(Task& task, End how, std::optional<double> asked);
  void end_session();
  static void note_training(Task& task, double until);
  static void go_back(Task& task, std::int64_t step);

  std::map<std::string, Task> tasks_;
  double now_ = 0;    ///< of the run
  double begin_ = 0;  ///< of the session, in the run's time
  bool told_devices_ = false;
  std::set<Place> devices_;
  std::set<Place> held_;
  std::set<Place> lost_;
  std::set<Place> measuring_;
  double away_count_ = 0;       ///< lost and not held
  double measuring_count_ = 0;  ///< kept for trials, neither lost nor held
  double device_seconds_ = 0;
  double away_ = 0;
  double measuring_time_ = 0;
  double idle_ = 0;
};

/// Of all records of a journal. Pure.
Accounts account(const std::vector<Record>& records);

}  // namespace saturn
