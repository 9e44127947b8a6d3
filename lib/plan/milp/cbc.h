// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "plan/milp/milp.h"

namespace saturn {

/// What CBC says, as it says it.
struct CbcAnswer {
  bool infeasible = false;
  bool optimal = false;
  bool finished = false;
  std::vector<double> values;  ///< empty: no solution
};

/// Opens CBC's library, unless it is open. Not linked: it brings a dozen others, and to load and relocate
/// them takes longer than all else that a command does which has nothing to solve. Safe from several threads.
/// Errors: SystemError (it is not there).
void open_cbc();

/// Solves in this thread (only one of a process may at a time); may abort, or never end. Errors: as above.
CbcAnswer ask_cbc(const Milp& milp, const MilpOptions& options);

}  // namespace saturn
