// SPDX-License-Identifier: Apache-2.0
#pragma once

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
/// speeds. A running gang may stay as it is, without a start-up, or move: go anywhere, as anything, for a
/// checkpoint and a start-up. One that is pinned by hand stays. Hand-pinned assignments that wait keep
/// their configuration and devices. Errors: InputError.
Problem remaining_problem(const RemainingInputs& inputs);

/// What is left of the current plan, from now, with its order kept and the durations of `problem`; what runs
/// stays.
Plan projected_plan(const RemainingInputs& inputs, const Problem& problem);

/// When that ends.
double projected_seconds(const RemainingInputs& inputs, const Problem& problem);

}  // namespace saturn
