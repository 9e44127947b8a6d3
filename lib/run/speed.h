// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <deque>
#include <vector>

namespace saturn {

/// The step time of a running gang: the median of the last reports, so that one slow step (a page cache miss,
/// a neighbour's start-up) changes nothing.
class SpeedEstimate {
 public:
  void add(double step_seconds) {
    recent_.push_back(step_seconds);
    if (recent_.size() > kWindow) recent_.pop_front();
  }
  /// 0 until there are enough reports to trust.
  double step_seconds() const {
    if (recent_.size() < kEnough) return 0;
    std::vector<double> sorted(recent_.begin(), recent_.end());
    const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
    std::nth_element(sorted.begin(), middle, sorted.end());
    return *middle;
  }

 private:
  static constexpr size_t kWindow = 31;
  static constexpr size_t kEnough = 3;
  std::deque<double> recent_;
};

}  // namespace saturn
