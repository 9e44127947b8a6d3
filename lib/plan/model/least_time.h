// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "plan/model/instance.h"

namespace saturn {

/// The least time from `low` on that `holds`; whatever holds at a time holds at every later one, too.
template <class Holds>
Millis least_time(Millis low, Holds holds) {
  Millis high = std::max<Millis>(low, 1);
  while (!holds(high)) low = high + 1, high *= 2;
  while (low < high) {
    const Millis middle = low + (high - low) / 2;
    if (holds(middle))
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

}  // namespace saturn
