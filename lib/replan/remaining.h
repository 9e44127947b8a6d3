// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>

#include "plan/problem.h"
#include "replan/observed.h"

namespace saturn {

/// What replanning reads. Not owned.
struct RemainingInputs {
  const RunSetup& setup;
  const Profile& profile;
  const RunState& state;
  const Plan& current;
};

/// The work that is left, as a planning problem (paper, Algorithm 2), times counted from now, at observed
/// speeds. Running gangs stay as they are (pinned, no start-up) unless they are in `may_move`: those may go
/// anywhere, and pay for a checkpoint and a start-up whatever they do. Hand-pinned assignments that wait keep
/// their configuration and devices. Errors: InputError.
Problem remaining_problem(const RemainingInputs& inputs, const std::set<std::string>& may_move);

/// What is left of the current plan, from now, with its order kept and the durations of `problem` (one in
/// which nothing moves).
Plan projected_plan(const RemainingInputs& inputs, const Problem& problem);

/// When the current plan would end, from now, with its order kept and the durations of `problem` (one in
/// which nothing moves).
double projected_seconds(const RemainingInputs& inputs, const Problem& problem);

/// The tasks that a gang is running now and that are not pinned by hand.
std::set<std::string> movable_tasks(const RunState& state, const Plan& current);

}  // namespace saturn
