// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "plan/model/instance.h"
#include "plan/model/schedule.h"
#include "plan/model/search.h"

namespace saturn {

/// A task's turn to be placed, and what is already decided about it.
struct Turn {
  int task = 0;        ///< index into Instance::tasks
  int node = -1;       ///< where it must go; -1 = anywhere
  int devices = 0;     ///< how many it must take; 0 = any number
  bool stays = false;  ///< as it runs already
};

/// List scheduling by waste: the tasks take turns, and each goes where, and runs as, it takes least device
/// time, idle time before its start included, among the ways to end by a goal; where there is none, or its
/// decisions leave none, it ends as early as it can. Does not own the instance; one owner, one thread.
class BestFit {
 public:
  BestFit(const Instance& instance, const Prices& prices);

  struct Result {
    double late = 0;  ///< device time of what runs past the goal
    Millis finish = 0;
  };
  /// Places the tasks. Those before `from` go where the kept schedule has them. Gives up, the result
  /// incomplete, when `late` exceeds `most_late`.
  Result place(const std::vector<Turn>& turns, size_t from, Millis goal, double most_late);
  /// The last schedule becomes the kept one.
  void keep() { kept_ = placed_; }
  /// Of the last schedule, which must be complete.
  Sequences sequences() const;
  /// Work done since the last call, in steps (deadline.h).
  std::int64_t take_steps();

 private:
  struct Choice {
    int task = -1;
    int node = -1;
    const Option* option = nullptr;
  };
  Choice choose(const Turn& turn, Millis goal);
  Choice choose_any(const Turn& turn, Millis goal);
  bool is_twin(size_t node, const InstanceTask& task) const;
  void weigh(const Turn& turn, size_t node, Millis goal);
  Millis put(const Choice& choice);

  const Instance& instance_;
  std::vector<double> rates_;   ///< per group: value of a device's millisecond
  std::vector<Choice> rooted_;  ///< what can only stay as it runs: it has no turn
  std::vector<std::vector<Millis>> released_, free_;
  std::vector<Choice> kept_, placed_;
  Choice least_, first_;  ///< of least waste by the goal, of earliest end
  double least_waste_ = 0;
  Millis first_end_ = 0;
  std::int64_t steps_ = 0;
};

/// All tasks that have a choice: those that run already first, which stay if `staying`, then those tied to
/// devices, then by the width, the length or the device time that they have where they take least of it, the
/// larger first.
enum class TurnOrder { kWidth, kDuration, kArea };
std::vector<Turn> turns_by(const Instance& instance, TurnOrder order, bool staying = false);

}  // namespace saturn
