// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <ctime>
#include <fmt/format.h>
#include <functional>
#include <string>
#include <vector>

namespace saturn::bench {

/// Seconds on `clock`.
inline double now(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Of at least one value.
inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<long>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Wall-clock and processor seconds of repeated work.
class Stopwatch {
 public:
  void time(const std::function<void()>& work) {
    const double start = now(CLOCK_MONOTONIC), cpu_start = now(CLOCK_PROCESS_CPUTIME_ID);
    work();
    wall_.push_back(now(CLOCK_MONOTONIC) - start);
    cpu_.push_back(now(CLOCK_PROCESS_CPUTIME_ID) - cpu_start);
  }
  std::size_t count() const { return wall_.size(); }
  double median_wall() const { return median(wall_); }
  double median_cpu() const { return median(cpu_); }
  /// "WALL CPU", the medians in milliseconds: what the scripts read.
  std::string report() const {
    return fmt::format("{:.3f} {:.3f}", 1000 * median(wall_), 1000 * median(cpu_));
  }

 private:
  std::vector<double> wall_, cpu_;
};

}  // namespace saturn::bench
