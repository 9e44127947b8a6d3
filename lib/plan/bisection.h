// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "plan/lane_program.h"
#include "plan/search.h"
#include "plan/width_program.h"

namespace saturn {

/// Looks for the largest makespan that a relaxation refutes, one question at a time.
class Bisection {
 public:
  /// The next makespan to ask about; empty when what is left to gain is not worth a question.
  std::optional<Millis> next(const Search& search) const;
  /// It was not refuted: larger ones will be neither.
  void stands(Millis target) { open_ = target; }

 private:
  std::optional<Millis> open_;
};

/// Bounds by lanes (lane_program.h). Needs a regular instance; owned by one thread.
class LaneBound {
 public:
  explicit LaneBound(Search& search) : search_(search), program_(search.instance()) {}
  /// Asks one question. False when there is none left.
  bool step(const Deadline& deadline);

 private:
  Search& search_;
  LaneProgram program_;
  Bisection bisection_;
};

/// Bounds by widths (width_program.h). Needs a regular instance; owned by one thread.
class WidthBound {
 public:
  explicit WidthBound(Search& search) : search_(search), program_(search.instance()) {}
  bool step(const Deadline& deadline);

 private:
  Search& search_;
  WidthProgram program_;
  Bisection bisection_;
};

/// Bounds by the master program without cuts (master.h). Needs a regular instance; owned by one thread.
class WindowBound {
 public:
  explicit WindowBound(Search& search) : search_(search) {}
  bool step(const Deadline& deadline);

 private:
  Search& search_;
  Bisection bisection_;
};

}  // namespace saturn
