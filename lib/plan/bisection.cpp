// SPDX-License-Identifier: Apache-2.0
#include "plan/bisection.h"

#include <algorithm>

#include "plan/master.h"

namespace saturn {
namespace {

/// What is left to gain must be more than this part of the bound.
constexpr double kResolution = 2e-5;
constexpr std::int64_t kMasterSteps = 20000000;  ///< about what a master takes

}  // namespace

std::optional<Millis> Bisection::next(const Search& search) const {
  const Millis low = search.bound() / search.unit();
  const Millis high = std::min(search.makespan(), open_.value_or(search.makespan())) / search.unit();
  if (high - low < 1 || static_cast<double>(high - low) < kResolution * static_cast<double>(low))
    return std::nullopt;
  return (low + (high - low) / 2) * search.unit();
}

bool LaneBound::step(const Deadline& deadline) {
  const std::optional<Millis> target = bisection_.next(search_);
  if (!target) return false;
  if (program_.refutes(*target, deadline)) {
    search_.raise_bound(*target + 1, "lanes");
    search_.set_prices(program_.prices());
  } else {
    bisection_.stands(*target);
  }
  return true;
}

bool WidthBound::step(const Deadline& deadline) {
  const std::optional<Millis> target = bisection_.next(search_);
  if (!target) return false;
  if (program_.refutes(*target, deadline))
    search_.raise_bound(*target + 1, "widths");
  else
    bisection_.stands(*target);
  return true;
}

bool WindowBound::step(const Deadline& deadline) {
  const std::optional<Millis> target = bisection_.next(search_);
  if (!target) return false;
  const Master master = make_master(search_.instance(), *target, true, {});
  MilpOptions options = master_options(deadline);
  options.first_solution = true;
  deadline.spend(kMasterSteps);
  if (master.impossible || solve_milp(master.milp, options).status == MilpStatus::kInfeasible)
    search_.raise_bound(*target + 1, "window MILP");
  else
    bisection_.stands(*target);  // or not known: larger ones are not asked about either
  return true;
}

}  // namespace saturn
