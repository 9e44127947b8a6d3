// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace saturn {

/// How a chain of blocks is cut into the contiguous stages of a pipeline: the number of blocks of each, none
/// empty. All of this file is pure.
using StageSplit = std::vector<std::size_t>;

/// "3+4".
std::string to_text(const StageSplit& split);

/// The split that a text like "3+4" says, or for "auto" one as even as can be. Errors: std::invalid_argument
/// (it does not divide so many blocks into so many stages).
StageSplit split_from(const std::string& text, std::size_t blocks, std::size_t stages);

/// Whether blocks [begin, end) can be stage number `stage`.
using StageFits = std::function<bool(std::size_t begin, std::size_t end, std::size_t stage)>;

/// The split whose slowest stage takes the least time; nothing when none fits. `seconds`: of each block.
StageSplit balance_stages(const std::vector<double>& seconds, std::size_t stages, const StageFits& fits);

}  // namespace saturn
