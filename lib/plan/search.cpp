// SPDX-License-Identifier: Apache-2.0
#include "plan/search.h"

#include <algorithm>

namespace saturn {

bool Search::offer(const Sequences& sequences, const std::string& method) {
  Millis makespan = makespan_of(instance_->placed);
  for (size_t n = 0; n < sequences.size(); ++n)
    makespan = std::max(makespan, finish_of(*instance_, static_cast<int>(n), sequences[n]).finish);
  if (has_plan() && makespan >= makespan_) return false;
  best_ = sequences;
  makespan_ = makespan;
  method_ = method;
  return true;
}

void Search::raise_bound(Millis bound, const std::string& method) {
  if (bound <= bound_) return;
  bound_ = bound;
  bound_method_ = method;
}

bool Search::done() const {
  if (!has_plan()) return false;
  return bound_ >= makespan_ ||
         static_cast<double>(makespan_ - bound_) <= gap_ * static_cast<double>(makespan_);
}

}  // namespace saturn
