// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <ctime>
#include <fmt/chrono.h>
#include <fmt/format.h>

namespace saturn {

Seconds SteadyClock::now() const {
  return std::chrono::duration_cast<Seconds>(std::chrono::steady_clock::now().time_since_epoch());
}

double steady_seconds() {
  return SteadyClock().now().count();
}

std::string utc_timestamp() {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(now)));
}

double utc_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::optional<double> parse_utc(const std::string& timestamp) {
  std::tm time{};
  const char* end = ::strptime(timestamp.c_str(), "%Y-%m-%dT%H:%M:%SZ", &time);
  if (end == nullptr || *end != '\0') return {};
  return static_cast<double>(::timegm(&time));
}

}  // namespace saturn
