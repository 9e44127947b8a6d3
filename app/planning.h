// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "plan/baselines/baselines.h"
#include "plan/plan.h"
#include "plan/problem.h"
#include "stages.h"

namespace saturn {

/// The problem that the session's tasks and the profile make.
Problem problem_of(const Session& session, const Profile& profile);

/// What makes the plan stale: "the workload has changed", ...; empty: it is fresh.
std::vector<std::string> staleness(const Session& session, const Profile& profile, const Plan& plan);

/// Makes an edited plan whole (plan.h, `complete`), says what was wrong with its times, and checks it.
/// Returns whether anything has changed. Errors: InputError with everything that check_knobs and check_plan
/// find.
bool complete_and_check(const Session& session, const Problem& problem, Plan& plan);

struct PlanRequest {
  std::filesystem::path file;
  bool force = false;  ///< solve although the plan is fresh
};
/// Uses the plan in the file when it is fresh (completing what an edit left out), else solves, keeping pinned
/// lines; the plan before is kept beside it as plan.previous.json. Errors: InputError (an edited plan that is
/// not valid, a task that fits on nothing), SystemError; throws Interrupted after a signal, with the best
/// plan so far written and marked as `stopped`: the next call goes on from it.
Plan make_plan(const Session& session, const Profile& profile, const PlanRequest& request,
               InterruptGuard& interrupts);

/// Solves anew and writes nothing. Throws Interrupted after a signal.
Plan plan_only(const Session& session, const Profile& profile, InterruptGuard& interrupts);

/// The baselines for the same tasks, as plans that could be run; their lower bound is that of `plan`, but
/// for one with pins, whose bound holds for it alone.
std::vector<Baseline> stamped_baselines(const Session& session, const Profile& profile, const Plan& plan);

/// Plans the tasks that `kept` has no line for, around its lines, which stay as they are (pinned or not);
/// what they leave out is found. Errors: InputError with every line that cannot stay.
Plan plan_around(const Session& session, const Profile& profile, const Plan& kept,
                 InterruptGuard& interrupts);

/// Plans what is left of a run, with the pins of the plan in force, which the problem has already. Throws
/// Interrupted after a signal.
Plan plan_rest(const Session& session, const Profile& profile, const Problem& rest, const Plan& current,
               InterruptGuard& interrupts);

/// `replace_plan`, and for one whose search was stopped the news and Interrupted.
void keep_plan(const std::filesystem::path& file, const Plan& plan);

/// Writes the plan; what was in the file before is kept beside it as plan.previous.json, and said so.
void replace_plan(const std::filesystem::path& file, const Plan& plan);

}  // namespace saturn
