// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace saturn {

// Limits far above anything that can be trained: they catch slips of the keyboard before they become
// overflows. A product of two of them stays within 64 bits.
inline constexpr std::int64_t kMostLayers = 10'000;
inline constexpr std::int64_t kMostWidth = 1'000'000;
inline constexpr std::int64_t kMostTokens = 100'000'000;
inline constexpr std::int64_t kMostPixels = 100'000;  ///< of an image's side
inline constexpr std::size_t kMostStages = 8;
inline constexpr std::int64_t kMostBatch = 1'000'000;
inline constexpr std::int64_t kMostSteps = 1'000'000'000'000;
inline constexpr std::int64_t kMostDevices = 1'000'000;

}  // namespace saturn
