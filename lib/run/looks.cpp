// SPDX-License-Identifier: Apache-2.0
#include "run/looks.h"

#include <fmt/ranges.h>
#include <limits>
#include <utility>

namespace saturn {

double Looks::next() const {
  return interval_ > 0 && !under_way_ ? next_ : std::numeric_limits<double>::infinity();
}

std::optional<std::string> Looks::begin(double now) {
  if (under_way_ && !urgent_) return {};
  if (reasons_.empty() && now >= next()) want("interval");
  if (reasons_.empty()) return {};
  under_way_ = true;
  next_ = now + interval_;
  urgent_ = false;
  return fmt::format("{}", fmt::join(std::exchange(reasons_, {}), "; "));
}

}  // namespace saturn
