// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "workload/knobs.h"

namespace saturn {

/// What a block keeps until its backward pass.
enum class Keep {
  kEverything,
  kInput,  ///< activation checkpointing (Chen et al., arXiv 1604.06174): the backward pass runs it again
};

/// As the knob "checkpoint" (off, on) says.
inline Keep keep_of(const Knobs& knobs) {
  return knob_value(knobs, "checkpoint", "off") == "on" ? Keep::kInput : Keep::kEverything;
}

/// A guess at how much longer forward and backward take: forward twice, and backward takes as long as two.
inline double time_factor(Keep keep) {
  return keep == Keep::kInput ? 4.0 / 3 : 1;
}

}  // namespace saturn
