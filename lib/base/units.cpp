// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"

#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <utility>

namespace saturn {
namespace {

/// Reads a non-negative finite number at the front of `text` and removes it, with the blanks behind it.
std::optional<double> take_number(std::string_view& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !std::isfinite(value) || std::signbit(value)) return {};
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return value;
}

std::string_view take_word(std::string_view& text) {
  size_t n = 0;
  while (n < text.size() && std::isalpha(static_cast<unsigned char>(text[n]))) ++n;
  const std::string_view word = text.substr(0, n);
  text.remove_prefix(n);
  return word;
}

constexpr std::array<std::pair<std::string_view, double>, 10> kByteUnits{{{"", 1},
                                                                          {"B", 1},
                                                                          {"KB", 1e3},
                                                                          {"MB", 1e6},
                                                                          {"GB", 1e9},
                                                                          {"TB", 1e12},
                                                                          {"KiB", 1024.0},
                                                                          {"MiB", 1048576.0},
                                                                          {"GiB", 1073741824.0},
                                                                          {"TiB", 1099511627776.0}}};

constexpr std::array<std::pair<std::string_view, double>, 6> kDurationUnits{
    {{"", 1}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}}};

template <size_t N>
std::optional<double> unit_factor(std::string_view word,
                                  const std::array<std::pair<std::string_view, double>, N>& units) {
  for (const auto& [name, factor] : units) {
    if (name == word) return factor;
  }
  return {};
}

}  // namespace

std::optional<Bytes> parse_bytes(const std::string& text) {
  std::string_view rest = text;
  const auto number = take_number(rest);
  if (!number) return {};
  const auto factor = unit_factor(take_word(rest), kByteUnits);
  if (!factor || !rest.empty() || *number * *factor > 9e18) return {};
  return static_cast<Bytes>(*number * *factor);
}

std::string to_text_bytes(Bytes bytes) {
  constexpr std::array<const char*, 5> kNames{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (std::abs(value) >= 1024 && unit + 1 < kNames.size()) value /= 1024, ++unit;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.3g} {}", value, kNames[unit]);
}

std::optional<Seconds> parse_duration(const std::string& text) {
  std::string_view rest = text;
  double total = 0;
  do {
    const auto number = take_number(rest);
    if (!number) return {};
    const std::string_view word = take_word(rest);
    const auto factor = unit_factor(word, kDurationUnits);
    if (!factor || (word.empty() && !rest.empty())) return {};
    total += *number * *factor;
  } while (!rest.empty());
  return Seconds(total);
}

std::string to_text_duration(Seconds seconds) {
  const double s = seconds.count();
  if (!std::isfinite(s)) return "unknown";
  if (s < 0) return "-" + to_text_duration(-seconds);
  if (s < 0.9995) return fmt::format("{:.3g} ms", s * 1e3);
  if (s < 59.95) return fmt::format("{:.3g} s", s);
  const auto whole = static_cast<std::int64_t>(std::llround(s));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

}  // namespace saturn
