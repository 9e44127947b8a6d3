// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>

#include "plan/milp/milp.h"
#include "plan/plan.h"
#include "plan/problem.h"
#include "plan/solve.h"

namespace saturn {

/// The paper's program (Nagrecha and Kumar, section 4: SPASE as a MILP), as it is written there, for a
/// comparison on small cases: `solve` is better at any size.
struct PaperModel {
  Milp milp;  ///< times in parts of `horizon_seconds`
  double horizon_seconds = 0;
  int makespan = 0;                                     ///< column C
  std::vector<std::vector<int>> configuration;          ///< column B_ts per task and configuration
  std::vector<std::vector<int>> node;                   ///< column O_tn per task and node
  std::vector<std::vector<std::vector<int>>> occupied;  ///< column P_tng per task, node and device
  std::vector<std::vector<std::vector<int>>> start;     ///< column I_tng likewise
};

/// How many rows the program has.
size_t paper_rows(const Problem& problem);

/// The program itself. `horizon_seconds`: the makespan of some plan of the problem (so no better plan is cut
/// off); it takes the place of the paper's large constants.
PaperModel make_paper_model(const Problem& problem, double horizon_seconds);

/// Beyond so many rows the program is not built.
constexpr size_t kMostPaperRows = 1000000;

/// Solves the paper's program with CBC, in one thread. The plan has passed check_plan; its lower bound is
/// CBC's when CBC says that it is done, else the area bound. Empty: CBC found no plan within the time limit,
/// there are more than kMostPaperRows rows, or there are gangs across nodes (the
/// paper has none). `gap`, `seed` and `incumbent` of the options do not count.
/// Errors: as `solve`.
std::optional<Plan> solve_paper(const Problem& problem, const SolveOptions& options);

}  // namespace saturn
