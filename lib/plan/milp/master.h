// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>
#include <vector>

#include "plan/milp/milp.h"
#include "plan/model/deadline.h"
#include "plan/model/instance.h"

namespace saturn {

/// At least `count` gangs of exactly `devices` devices that run for `duration` or longer; or, of a class of
/// tasks that run already, at least `count` that stay.
struct Literal {
  int devices = 0;
  Millis duration = 0;
  int count = 0;
  int staying_class = -1;  ///< that class; -1 = any gangs
};

/// On a node whose devices become free no earlier than `free`, and that has no more of them, not all literals
/// hold.
struct Cut {
  std::vector<Literal> literals;
  std::vector<Millis> free;  ///< ascending
};

struct MasterPlace;
struct MasterColumn;
/// Whether the cut holds on that place.
bool cut_applies(const Cut& cut, const MasterPlace& place);
/// Whether the column's gangs are some of those that the literal counts.
bool counts_for(const Literal& literal, const MasterColumn& column);

/// The nodes of one master variable: one node, or (`together`) all that are alike.
struct MasterPlace {
  std::vector<int> nodes;
  int group = 0;
  std::vector<Millis> free;  ///< of each of them, ascending
};

/// y: how many tasks of a class run as an option on a place.
struct MasterColumn {
  int task_class = 0;
  int option = 0;  ///< index into the class's options on the place
  int place = 0;
  int column = 0;  ///< in the program
  Option shape;
};

/// The master program for a target C: which option and which place for how many tasks of each class, so that
/// a plan that ends by C may exist. Every plan that does is a solution of it; a solution need not be a plan
/// (the order of the tasks is left out). Formulation in master.cpp. Infeasible = no plan ends by C.
struct Master {
  Milp milp;
  std::vector<MasterPlace> places;
  std::vector<MasterColumn> columns;
  std::vector<std::pair<size_t, size_t>> alike;  ///< pairs of places of which the first is to get more work
  bool impossible = false;                       ///< some class has nowhere to go
};

/// Needs a regular instance. `together`: alike nodes share their variables (smaller, weaker; cuts not used).
Master make_master(const Instance& instance, Millis target, bool together, const std::vector<Cut>& cuts);

/// Solves masters. What a solver gives can be checked, that it refuses a master can not: so it is asked now
/// and then for something known to be possible, and not believed any more once it has refused that. Does not
/// own the instance; one thread's.
class MasterSolver {
 public:
  explicit MasterSolver(const Instance& instance, MilpSolver solver = solve_milp)
      : instance_(instance), solver_(std::move(solver)) {}

  /// Takes some seconds at most, or some nodes when the deadline counts work.
  MilpResult solve(const Master& master, bool first_solution, const Deadline& deadline) const;
  /// Whether the result refutes the master's target; `makespan` is that of a plan that there is.
  bool refutes(const MilpResult& result, Millis makespan, const Deadline& deadline);

 private:
  const Instance& instance_;
  MilpSolver solver_;
  Millis asked_ = -1;  ///< the makespan that it was last asked for
  bool caught_ = false;
};

}  // namespace saturn
