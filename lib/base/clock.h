// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "base/units.h"

namespace saturn {

/// Time as the program sees it; tests and simulations replace it.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Monotonic, from an unspecified start.
  virtual Seconds now() const = 0;
};

class SteadyClock final : public Clock {
 public:
  Seconds now() const override;
};

/// Stands still until it is moved.
class ManualClock final : public Clock {
 public:
  Seconds now() const override { return now_; }
  void advance(Seconds by) { now_ += by; }
  void set(Seconds to) { now_ = to; }

 private:
  Seconds now_{0};
};

/// Monotonic, from an unspecified start: to measure how long something took. What waits or decides by time
/// takes a Clock.
double steady_seconds();

/// The wall-clock time as "2026-11-23T17:28:03Z".
std::string utc_timestamp();

/// The wall-clock time in seconds since 1970 (UTC).
double utc_seconds();

/// What `utc_timestamp` has said, in seconds since 1970; empty: it is none of those.
std::optional<double> parse_utc(const std::string& timestamp);

}  // namespace saturn
