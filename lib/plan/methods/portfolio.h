// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plan/model/search.h"

namespace saturn {

/// Runs the methods until the search is done, the deadline has passed, or nothing is left to try. One thread
/// looks for better plans, a second one for better bounds, any further ones for plans again; with one thread
/// they take turns of fixed work, so that the result depends on nothing but the instance, the seed and the
/// work allowed.
void run_portfolio(Search& search, const Deadline& deadline, int threads);

}  // namespace saturn
