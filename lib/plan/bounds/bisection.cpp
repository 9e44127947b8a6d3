// SPDX-License-Identifier: Apache-2.0
#include "plan/bounds/bisection.h"

#include <algorithm>
#include <memory>

#include "plan/bounds/lane_program.h"
#include "plan/bounds/width_program.h"
#include "plan/milp/master.h"

namespace saturn {
namespace {

/// What is left to gain must be more than this part of the bound.
constexpr double kResolution = 2e-5;

}  // namespace

std::optional<Millis> Bisection::next() const {
  const Millis low = search_.bound() / search_.unit();
  const Millis high = std::min(search_.makespan(), open_.value_or(search_.makespan())) / search_.unit();
  if (high - low < 1 || static_cast<double>(high - low) < kResolution * static_cast<double>(low))
    return std::nullopt;
  return (low + (high - low) / 2) * search_.unit();
}

bool Bisection::step(const Deadline& deadline) {
  const std::optional<Millis> target = next();
  if (!target) return false;
  if (refutes_(*target, deadline))
    search_.raise_bound(*target + 1, method_);
  else
    open_ = target;
  return true;
}

Bisection bound_by_widths(Search& search) {
  const auto program = std::make_shared<WidthProgram>(search.instance());
  return {search, "widths",
          [program](Millis target, const Deadline& deadline) { return program->refutes(target, deadline); }};
}

Bisection bound_by_lanes(Search& search) {
  const auto program = std::make_shared<LaneProgram>(search.instance());
  return {search, "lanes", [program, &search](Millis target, const Deadline& deadline) {
            const bool refuted = program->refutes(target, deadline);
            if (refuted) search.set_prices(program->prices());
            return refuted;
          }};
}

Bisection bound_by_windows(Search& search, MilpSolver solver) {
  const auto masters = std::make_shared<MasterSolver>(search.instance(), std::move(solver));
  return {search, "window MILP", [&search, masters](Millis target, const Deadline& deadline) {
            const Master master = make_master(search.instance(), target, true, {});
            return masters->refutes(masters->solve(master, true, deadline), search.makespan(), deadline);
          }};
}

}  // namespace saturn
