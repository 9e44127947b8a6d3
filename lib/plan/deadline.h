// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>

#include "base/units.h"

namespace saturn {

/// When a search must stop: at a point in time, or when another thread says so. The only clock that planning
/// sees. Does not own `cancel`.
class Deadline {
 public:
  using Time = std::chrono::steady_clock::time_point;

  Deadline(Time at, const std::atomic<bool>* cancel) : at_(at), cancel_(cancel) {}
  static Deadline in(Seconds span, const std::atomic<bool>* cancel = nullptr) {
    const Seconds bounded = std::clamp(span, Seconds(0), Seconds(1e8));
    return {std::chrono::steady_clock::now() +
                std::chrono::duration_cast<std::chrono::steady_clock::duration>(bounded),
            cancel};
  }

  bool cancelled() const { return cancel_ != nullptr && cancel_->load(std::memory_order_relaxed); }
  bool passed() const { return cancelled() || std::chrono::steady_clock::now() >= at_; }
  const std::atomic<bool>* cancel() const { return cancel_; }
  /// Never negative; zero when cancelled.
  Seconds left() const {
    if (cancelled()) return Seconds(0);
    return std::max(Seconds(0), Seconds(at_ - std::chrono::steady_clock::now()));
  }
  /// The earlier of this deadline and `span` from now.
  Deadline within(Seconds span) const { return {std::min(at_, in(span).at_), cancel_}; }

 private:
  Time at_;
  const std::atomic<bool>* cancel_;
};

}  // namespace saturn
