// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>
#include <string>

#include "base/units.h"

namespace saturn {

/// A span of a plan or a run for people; nothing is "0 s".
inline std::string duration_text(double seconds) {
  return seconds == 0 ? "0 s" : to_text_duration(Seconds(seconds));
}

/// " (-12.5 %)"; "" where it was nothing before.
inline std::string change_text(double before, double after) {
  if (before <= 0) return "";
  return fmt::format(" ({:+.1f} %)", (after - before) / before * 100);
}

}  // namespace saturn
