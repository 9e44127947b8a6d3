// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "base/units.h"
#include "plan/model/deadline.h"

namespace saturn {

/// A mixed-integer linear program: minimise cost * x, subject to rows and column bounds. Plain data; the only
/// file that knows CBC is cbc.cpp.
struct Milp {
  struct Column {
    double lower = 0;
    double upper = 0;
    double cost = 0;
    bool integer = false;
  };
  struct Row {
    std::vector<std::pair<int, double>> terms;  ///< column and coefficient; a column at most once
    double lower = 0;
    double upper = 0;
  };
  std::vector<Column> columns;
  std::vector<Row> rows;

  int add_column(const Column& column);
  void add_at_most(std::vector<std::pair<int, double>> terms, double upper);
  void add_at_least(std::vector<std::pair<int, double>> terms, double lower);
  void add_equal(std::vector<std::pair<int, double>> terms, double value);
};

struct MilpOptions {
  Seconds time_limit{1};
  bool first_solution = false;                ///< stop at the first one found
  std::vector<std::pair<int, double>> start;  ///< a solution to begin with (may be partial); empty = none
  const std::atomic<bool>* cancel =
      nullptr;               ///< set by another thread: the solve ends as kUnknown; not owned
  int most_nodes = 0;        ///< of the search tree; 0 = any number
  SolverUse* use = nullptr;  ///< the solve is added to it; not owned
};

enum class MilpStatus {
  kOptimal,     ///< `values` is proven best
  kFeasible,    ///< `values` keeps every row; better ones may exist
  kInfeasible,  ///< proven: no solution exists
  kUnknown      ///< out of time, or the solver failed
};

struct MilpResult {
  MilpStatus status = MilpStatus::kUnknown;
  std::vector<double> values;  ///< integers are whole
  double objective = 0;
};

/// Solves with CBC, in a process of its own (about 1 ms); safe from several threads. What comes back as
/// kOptimal or kFeasible has been checked against every row here, so a solver's mistake shows as kUnknown; so
/// does its crash, a failed assertion of its own, or a limit it does not keep to. Errors: SystemError (no
/// pipe, no CBC).
MilpResult solve_milp(const Milp& milp, const MilpOptions& options);
/// The same by whatever else; tests put a broken one in its place.
using MilpSolver = std::function<MilpResult(const Milp& milp, const MilpOptions& options)>;

/// The best values of a program without integers; empty when there are none, or the deadline came first.
/// Spends its size as steps. Errors: as above.
std::optional<std::vector<double>> solve_linear(const Milp& program, const Deadline& deadline);

}  // namespace saturn
