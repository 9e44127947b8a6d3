// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

namespace saturn {

/// Where a stage of a pipeline goes through its micro-batches.
enum class PipelineOrder {
  kGpipe,  ///< all forward, then all backward (Huang et al., arXiv 1811.06965)
  k1F1B,   ///< backward as early as it can be (Narayanan et al., arXiv 1806.03377, 2104.04473)
};

/// One thing that a stage does. Transfers name the micro-batch whose activation or gradient travels.
struct PipelineAction {
  enum class Kind {
    kReceiveActivation,  ///< from the stage before
    kForward,
    kSendActivation,   ///< to the stage after
    kReceiveGradient,  ///< from the stage after
    kBackward,
    kSendGradient,  ///< to the stage before
    /// Both directions with one neighbour at the same time, or two stages would wait for each other's
    /// receive.
    kSwapWithNext,      ///< sends the activation of `micro`, receives the gradient of `other`
    kSwapWithPrevious,  ///< sends the gradient of `micro`, receives the activation of `other`
  };
  Kind kind = Kind::kForward;
  int micro = 0;
  int other = 0;
  bool operator==(const PipelineAction&) const = default;
};

/// What stage `stage` of `stages` does in a step of `micros` micro-batches. Neighbours' transfers match one
/// to one, in order. With 1F1B at most stages - stage micro-batches are between their forward and their
/// backward pass, with GPipe all. Pure.
std::vector<PipelineAction> pipeline_schedule(PipelineOrder order, int stage, int stages, int micros);

}  // namespace saturn
