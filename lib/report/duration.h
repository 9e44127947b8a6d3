// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/units.h"

namespace saturn {

/// A span of a plan or a run for people; nothing is "0 s".
inline std::string duration_text(double seconds) {
  return seconds == 0 ? "0 s" : to_text_duration(Seconds(seconds));
}

}  // namespace saturn
