// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cluster/cluster.h"
#include "profile/profile.h"
#include "profile/trials.h"

namespace saturn {

/// What was measured elsewhere, for a cluster that is not at hand.
struct ReusedProfile {
  Profile profile;                ///< the rows that the cluster's trials are about
  std::vector<std::string> gaps;  ///< what nobody has measured: "ddp on 5, 6 x h100 (3 kinds of task)"
};

/// The cluster with its kinds called as the profiles call them: "h100" means the one kind of theirs that it
/// covers ("h100-80gb"). Errors: InputError with every kind that they do not have, and what they have; or of
/// which they have several.
Cluster with_measured_kinds(Cluster cluster, const std::vector<Profile>& profiles);

/// The rows of the profiles for the trials that the cluster asks for, of the first that has them. Errors:
/// InputError with every task of which none has a row.
ReusedProfile reuse(const TrialPlan& wanted, const std::vector<Profile>& profiles);

}  // namespace saturn
