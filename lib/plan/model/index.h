// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace saturn {

/// Places in instances are ints, which may be negative for none; vectors want this.
constexpr std::size_t at(int index) {
  return static_cast<std::size_t>(index);
}

}  // namespace saturn
