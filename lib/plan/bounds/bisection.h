// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "plan/milp/milp.h"
#include "plan/model/search.h"

namespace saturn {

/// Raises the search's bound to the largest makespan that a relaxation refutes, one question at a time. One
/// owner, one thread.
class Bisection {
 public:
  /// Whether it is proven that no plan ends by the target.
  using Refutes = std::function<bool(Millis target, const Deadline& deadline)>;

  Bisection(Search& search, std::string method, Refutes refutes)
      : search_(search), method_(std::move(method)), refutes_(std::move(refutes)) {}

  /// Asks one question. False when what is left to gain is not worth one.
  bool step(const Deadline& deadline);

 private:
  std::optional<Millis> next() const;

  Search& search_;
  std::string method_;
  Refutes refutes_;
  std::optional<Millis> open_;  ///< not refuted: larger ones will be neither
};

/// By widths (width_program.h), by lanes (lane_program.h; these leave prices to the search), and by the
/// master program without cuts (master.h). Each needs a regular instance.
Bisection bound_by_widths(Search& search);
Bisection bound_by_lanes(Search& search);
Bisection bound_by_windows(Search& search, MilpSolver solver = solve_milp);

}  // namespace saturn
