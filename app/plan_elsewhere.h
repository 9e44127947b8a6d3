// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "commands.h"
#include "plan/plan.h"

namespace saturn {

/// A plan for a cluster that need not be there.
struct PlanElsewhere {
  std::string shape;  ///< the cluster as it was asked for
  Session session;    ///< with that cluster
  Profile profile;    ///< what of the measured is about it
  Plan plan;
};

/// `saturn plan --cluster`: a plan for each of the clusters, by the profiles at hand. What was not measured
/// is said. Nothing is written. Errors: InputError (all clusters and profiles that are wrong; kinds and tasks
/// that were never measured); throws Interrupted after a signal.
std::vector<PlanElsewhere> plans_elsewhere(const PlanCommand& command, const Session& session,
                                           InterruptGuard& interrupts);

/// The clusters of the command line. Errors: InputError with all that are wrong.
std::vector<Cluster> clusters_asked_for(const PlanCommand& command);

/// A line for each: devices, makespan, bound, and the device time that is asked for and used.
std::string comparison_table(const std::vector<PlanElsewhere>& plans);

}  // namespace saturn
