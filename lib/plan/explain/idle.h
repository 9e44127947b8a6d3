// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "plan/plan.h"
#include "plan/problem.h"

namespace saturn {

/// A span in which devices of a node do nothing.
struct IdleSpan {
  enum class Why {
    kGang,         ///< `task`, a gang, starts next and waits for its other devices
    kPinned,       ///< `task` starts next and is pinned to its start
    kLate,         ///< `task` starts next and could start earlier
    kNothingLeft,  ///< every task has started
    kNoneFits,     ///< none of the tasks that start later can run on this node
    kNoGain        ///< tasks start later, elsewhere; the plan has none of them here
  };
  std::string node;
  std::vector<int> devices;  ///< ascending
  double from_seconds = 0;
  double to_seconds = 0;
  Why why = Why::kNothingLeft;
  std::string task;                      ///< which starts next; "" = none
  std::vector<std::string> waiting_for;  ///< kGang: the tasks on its other devices (none: not free yet)

  double device_seconds() const { return static_cast<double>(devices.size()) * (to_seconds - from_seconds); }
};

/// Every span, until the end of the plan, in which a device is free and unused; devices of a node that are
/// idle alike in one. By node in the problem's order, then start. `plan` has passed check_plan.
std::vector<IdleSpan> idle_spans(const Problem& problem, const Plan& plan);

}  // namespace saturn
