// SPDX-License-Identifier: Apache-2.0
#include "workload/budget_settings.h"

#include <cmath>
#include <ctime>
#include <fmt/format.h>
#include <limits>
#include <optional>
#include <string_view>

#include "base/units.h"

namespace saturn {
namespace {

constexpr double kMostDeviceHours = 1e9;
constexpr double kSecondsPerHour = 3600;

/// Reads a date and a time piece by piece; false once a piece is not there.
class Pieces {
 public:
  explicit Pieces(std::string_view text) : rest_(text) {}

  /// Exactly two (or `digits`) digits of a number from `least` to `most`.
  bool number(int& value, int least, int most, size_t digits = 2) {
    if (rest_.size() < digits) return false;
    value = 0;
    for (const char digit : rest_.substr(0, digits)) {
      if (digit < '0' || digit > '9') return false;
      value = 10 * value + (digit - '0');
    }
    rest_.remove_prefix(digits);
    return value >= least && value <= most;
  }
  bool mark(std::string_view any_of) {
    if (rest_.empty() || any_of.find(rest_.front()) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  char next() const { return rest_.empty() ? '\0' : rest_.front(); }
  bool done() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

/// "08:30" or "08:30:15".
bool read_time(Pieces& pieces, std::tm& time) {
  if (!pieces.number(time.tm_hour, 0, 23) || !pieces.mark(":") || !pieces.number(time.tm_min, 0, 59))
    return false;
  return pieces.next() != ':' || (pieces.mark(":") && pieces.number(time.tm_sec, 0, 59));
}

std::optional<double> time_of_day(std::string_view text) {
  Pieces pieces(text);
  std::tm time{};
  if (!read_time(pieces, time) || !pieces.done()) return {};
  return time.tm_hour * kSecondsPerHour + time.tm_min * 60 + time.tm_sec;
}

/// "2026-12-01T08:00", with seconds, with Z or +01:00; without those it is local time.
std::optional<double> date_time(std::string_view text) {
  Pieces pieces(text);
  std::tm time{};
  if (!pieces.number(time.tm_year, 1970, 9999, 4) || !pieces.mark("-") ||
      !pieces.number(time.tm_mon, 1, 12) || !pieces.mark("-") || !pieces.number(time.tm_mday, 1, 31) ||
      !pieces.mark("Tt ") || !read_time(pieces, time))
    return {};
  time.tm_year -= 1900;
  time.tm_mon -= 1;
  time.tm_isdst = -1;
  const int day = time.tm_mday;
  if (pieces.done()) {
    const std::time_t local = ::mktime(&time);
    return time.tm_mday == day ? std::optional(static_cast<double>(local)) : std::nullopt;  // no 31 April
  }
  const auto utc = static_cast<double>(::timegm(&time));
  if (time.tm_mday != day) return {};
  if (pieces.mark("Zz")) return pieces.done() ? std::optional(utc) : std::nullopt;
  const int sign = pieces.next() == '-' ? -1 : 1;
  int hours = 0;
  int minutes = 0;
  if (!pieces.mark("+-") || !pieces.number(hours, 0, 14) || !pieces.mark(":") ||
      !pieces.number(minutes, 0, 59) || !pieces.done())
    return {};
  return utc - sign * (hours * kSecondsPerHour + minutes * 60);
}

void read_deadline(MapReader& reader, BudgetSettings& budget) {
  using Deadline = BudgetSettings::Deadline;
  budget.mark = reader.mark("deadline");
  budget.deadline_text = reader.text("deadline");
  const Value* value = reader.value("deadline");
  if (value == nullptr || value->kind != Value::Kind::kScalar) return;  // reported, if it is there
  if (const auto after = parse_duration(budget.deadline_text)) {
    budget.deadline = Deadline::kAfter;
    budget.deadline_seconds = after->count();
    if (after->count() <= 0) reader.error("deadline", "must be more than 0");
  } else if (const auto day = time_of_day(budget.deadline_text)) {
    budget.deadline = Deadline::kTimeOfDay;
    budget.deadline_seconds = *day;
  } else if (const auto at = date_time(budget.deadline_text)) {
    budget.deadline = Deadline::kAt;
    budget.deadline_seconds = *at;
  } else {
    reader.error("deadline",
                 fmt::format("must be a time as 12h or 90m from the first start of the run, a time of day as "
                             "08:00, or a date and time as 2026-12-01T08:00 (local time; Z or +01:00 behind "
                             "it says another), not '{}'",
                             budget.deadline_text));
  }
}

}  // namespace

BudgetSettings read_budget(MapReader& run) {
  BudgetSettings budget;
  const Value* value = run.value("budget");
  if (value == nullptr) return budget;
  MapReader reader(*value, "run.budget", run.diagnostics());
  read_deadline(reader, budget);
  budget.device_hours = reader.number("device_hours", 0, 0, kMostDeviceHours);
  if (reader.has("device_hours") && budget.device_hours <= 0)
    reader.error("device_hours", "must be more than 0");
  if (reader.is_map() && !reader.has("deadline") && !reader.has("device_hours"))
    run.error("budget", "limits nothing: give a deadline, device_hours, or both");
  reader.finish();
  return budget;
}

double deadline_at(const BudgetSettings& budget, double first_start) {
  switch (budget.deadline) {
    case BudgetSettings::Deadline::kNone:
      return std::numeric_limits<double>::infinity();
    case BudgetSettings::Deadline::kAfter:
      return first_start + budget.deadline_seconds;
    case BudgetSettings::Deadline::kAt:
      return budget.deadline_seconds;
    case BudgetSettings::Deadline::kTimeOfDay:
      break;
  }
  const auto start = static_cast<std::time_t>(first_start);
  const auto whole = static_cast<int>(budget.deadline_seconds);
  std::tm day{};
  ::localtime_r(&start, &day);
  for (int later = 0;; ++later) {
    std::tm time = day;
    time.tm_mday += later;
    time.tm_hour = whole / 3600;
    time.tm_min = whole / 60 % 60;
    time.tm_sec = whole % 60;
    time.tm_isdst = -1;
    const auto at = static_cast<double>(::mktime(&time));
    if (at > first_start) return at;
  }
}

std::string to_text(const BudgetSettings& budget) {
  std::string text;
  if (budget.deadline != BudgetSettings::Deadline::kNone) text = "deadline " + budget.deadline_text;
  if (budget.device_hours > 0)
    text += fmt::format("{}{:g} device-hours", text.empty() ? "" : ", ", budget.device_hours);
  return text;
}

}  // namespace saturn
