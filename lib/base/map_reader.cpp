// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <limits>

#include "base/document.h"
#include "base/units.h"

namespace saturn {
namespace {

constexpr auto kLargest = std::numeric_limits<std::int64_t>::max();
constexpr double kMostSeconds = 10'000.0 * 86'400;
constexpr auto kSmallest = std::numeric_limits<std::int64_t>::min();

std::string range_text(std::int64_t value, std::int64_t min, std::int64_t max) {
  return value < min ? fmt::format("must be at least {}", min) : fmt::format("must be at most {}", max);
}

/// What is wrong with a whole number in [min, max], or empty; `result` gets the number.
std::string integer_problem(const Value& value, std::int64_t min, std::int64_t max, std::int64_t& result) {
  const auto whole = as_integer(value);
  const auto number = as_number(value);
  const bool huge = !whole && number && std::abs(*number) > 9e15;  // whole, but none that fits
  if (!whole && !huge) return "must be a whole number, not " + describe(value);
  const std::int64_t clamped = whole ? *whole : *number < 0 ? kSmallest : kLargest;
  if (clamped < min || clamped > max || huge)
    return fmt::format(
        "{}, not {}",
        huge && *number > 0 ? fmt::format("must be at most {}", max) : range_text(clamped, min, max),
        value.scalar);
  result = clamped;
  return "";
}

}  // namespace

MapReader::MapReader(const Value& map, std::string what, Diagnostics& diagnostics)
    : map_(&map), what_(std::move(what)), diagnostics_(&diagnostics) {
  if (map.kind != Value::Kind::kMap) {
    const std::string name = what_.empty() ? "the file" : what_;
    diagnostics.error(map.mark,
                      fmt::format("{} must be a map (keys with values), not {}", name, describe(map)));
  }
}

bool MapReader::has(std::string_view key) const {
  return map_->find(key) != nullptr;
}

Mark MapReader::mark(std::string_view key) const {
  const Value* value = map_->find(key);
  return value == nullptr ? map_->mark : value->mark;
}

const Value* MapReader::value(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
  return map_->find(key);
}

void MapReader::error(std::string_view key, const std::string& message) {
  const std::string place = what_.empty() ? "" : what_ + ": ";
  diagnostics_->error(mark(key), fmt::format("{}'{}' {}", place, key, message));
}

std::string MapReader::text(std::string_view key, std::string fallback) {
  const Value* found = value(key);
  if (found == nullptr) return fallback;
  if (found->kind == Value::Kind::kScalar) return found->scalar;
  error(key, "must be a text, not " + describe(*found));
  return fallback;
}

std::int64_t MapReader::integer(std::string_view key, std::int64_t fallback, std::int64_t min,
                                std::int64_t max) {
  const Value* found = value(key);
  std::int64_t result = fallback;
  if (found == nullptr) return result;
  const std::string problem = integer_problem(*found, min, max, result);
  if (!problem.empty()) error(key, problem);
  return result;
}

double MapReader::number(std::string_view key, double fallback, double min, double max) {
  const Value* found = value(key);
  if (found == nullptr) return fallback;
  const auto number = as_number(*found);
  if (number && *number >= min && *number <= max) return *number;
  if (!number) {
    error(key, "must be a number, not " + describe(*found));
  } else {
    error(key, fmt::format("must be at {} {}, not {}", *number < min ? "least" : "most",
                           *number < min ? min : max, found->scalar));
  }
  return fallback;
}

bool MapReader::boolean(std::string_view key, bool fallback) {
  const Value* found = value(key);
  if (found == nullptr) return fallback;
  if (const auto truth = as_boolean(*found)) return *truth;
  error(key, "must be true or false, not " + describe(*found));
  return fallback;
}

std::int64_t MapReader::bytes(std::string_view key, std::int64_t fallback) {
  const Value* found = value(key);
  if (found == nullptr) return fallback;
  if (found->kind == Value::Kind::kScalar) {
    if (const auto parsed = parse_bytes(found->scalar)) return *parsed;
  }
  error(key, fmt::format("must be a size such as 512MiB or 8GB, not {}", describe(*found)));
  return fallback;
}

double MapReader::seconds(std::string_view key, double fallback) {
  const Value* found = value(key);
  if (found == nullptr) return fallback;
  if (found->kind == Value::Kind::kScalar) {
    const auto parsed = parse_duration(found->scalar);
    if (parsed && parsed->count() <= kMostSeconds) return parsed->count();
    if (parsed) {
      error(key, fmt::format("must be at most 10000d, not {}", found->scalar));
      return fallback;
    }
  }
  error(key, fmt::format("must be a duration such as 90s, 5m or 1h30m, not {}", describe(*found)));
  return fallback;
}

std::string MapReader::choice(std::string_view key, std::string fallback,
                              const std::vector<std::string>& choices) {
  const Value* found = value(key);
  if (found == nullptr) return fallback;
  const bool scalar = found->kind == Value::Kind::kScalar;
  if (scalar && std::find(choices.begin(), choices.end(), found->scalar) != choices.end())
    return found->scalar;
  error(key, fmt::format("must be {}{}, not {}{}", choices.size() > 1 ? "one of " : "",
                         fmt::join(choices, ", "), describe(*found),
                         scalar && choices.size() > 1 ? did_you_mean(found->scalar, choices) : ""));
  return fallback;
}

std::vector<std::string> MapReader::texts(std::string_view key) {
  const Value* found = value(key);
  if (found == nullptr) return {};
  if (found->kind == Value::Kind::kScalar) return {found->scalar};
  if (found->kind != Value::Kind::kList) {
    error(key, "must be a list of texts, not " + describe(*found));
    return {};
  }
  std::vector<std::string> result;
  for (const Value& item : found->items) {
    if (item.kind == Value::Kind::kScalar) {
      result.push_back(item.scalar);
    } else {
      diagnostics_->error(
          item.mark, fmt::format("{}: an item of '{}' must be a text, not {}", what_, key, describe(item)));
    }
  }
  return result;
}

std::vector<std::int64_t> MapReader::integers(std::string_view key, std::int64_t min, std::int64_t max) {
  const Value* found = value(key);
  if (found == nullptr) return {};
  if (found->kind == Value::Kind::kScalar) {
    const size_t before = diagnostics_->count();
    const std::int64_t single = integer(key, min, min, max);
    return diagnostics_->count() == before ? std::vector{single} : std::vector<std::int64_t>{};
  }
  if (found->kind != Value::Kind::kList) {
    error(key, "must be a list of whole numbers, not " + describe(*found));
    return {};
  }
  std::vector<std::int64_t> result;
  for (const Value& item : found->items) {
    std::int64_t number = 0;
    const std::string problem = integer_problem(item, min, max, number);
    if (problem.empty())
      result.push_back(number);
    else
      diagnostics_->error(item.mark, fmt::format("{}: an item of '{}' {}", what_, key, problem));
  }
  return result;
}

bool MapReader::require(std::string_view key) {
  if (value(key) != nullptr) return true;
  if (map_->kind != Value::Kind::kMap) return false;  // said by the constructor
  const std::string place = what_.empty() ? "" : what_ + ": ";
  diagnostics_->error(map_->mark, fmt::format("{}missing key '{}'", place, key));
  return false;
}

void MapReader::finish() {
  diagnostics_->note_keys(what_, known_);
  const std::string place = what_.empty() ? "" : what_ + ": ";
  for (auto member = map_->members.begin(); member != map_->members.end(); ++member) {
    const auto first = std::find_if(map_->members.begin(), member,
                                    [&](const Value::Member& m) { return m.key == member->key; });
    if (first != member) {
      diagnostics_->error(member->mark, fmt::format("{}key '{}' is given twice (first on line {})", place,
                                                    member->key, first->mark.line));
    } else if (std::find(known_.begin(), known_.end(), member->key) == known_.end()) {
      std::string meant = did_you_mean(member->key, known_);
      if (meant.empty()) meant = fmt::format("; known keys: {}", fmt::join(known_, ", "));
      diagnostics_->error(member->mark, fmt::format("{}unknown key '{}'{}", place, member->key, meant));
    }
  }
}

}  // namespace saturn
