// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
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
/// checkpoint and a start-up. One that is pinned by hand stays; one that the plan has elsewhere was told to
/// leave, and cannot. Hand-pinned assignments that wait keep their configuration and devices. Devices that
/// are lost are not there: those of a node are counted anew (`in_cluster` gives them their own numbers back).
/// Ways that are ruled out are none. With successive halving a task is planned to its next rung, and one that
/// waits at a rung not at all.
struct Remaining {
  Problem problem;
  std::map<std::string, std::string> stranded;  ///< tasks that nothing that is there can run, and why
};
/// Errors: InputError (pins by hand that cannot be kept).
Remaining remaining_work(const RemainingInputs& inputs);
/// The same where nothing may be stranded. Errors: InputError, also with every task that is.
Problem remaining_problem(const RemainingInputs& inputs);

/// What is left of the current plan, from now, as a plan of that problem, with its order kept and the
/// durations of `problem`; what runs stays. It need not be a valid one: lines on lost devices, ways ruled
/// out, tasks that it does not have.
Plan projected_plan(const RemainingInputs& inputs, const Problem& problem);
/// When that ends.
double projected_seconds(const RemainingInputs& inputs, const Problem& problem);

/// The plan of that problem with the devices' own numbers.
Plan in_cluster(const RemainingInputs& inputs, Plan plan);

}  // namespace saturn
