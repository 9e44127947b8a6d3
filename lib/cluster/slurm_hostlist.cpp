// SPDX-License-Identifier: Apache-2.0
#include "cluster/slurm_hostlist.h"

#include <charconv>
#include <fmt/format.h>

namespace saturn {
namespace {

constexpr std::size_t kMostHosts = 1'000'000;

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return {};
  return value;
}

struct Range {
  int first = 0;
  int last = 0;
  std::size_t digits = 1;  ///< numbers have at least so many: "08" has two
};

/// "7" or "08-10".
std::optional<Range> parse_range(std::string_view text) {
  const std::size_t dash = text.find('-');
  const std::string_view begin = text.substr(0, dash);
  const auto first = number(begin);
  const auto last = dash == std::string_view::npos ? first : number(text.substr(dash + 1));
  if (!first || !last || *last < *first) return {};
  return Range{*first, *last, begin.size()};
}

/// What stands in brackets: "1,08-10" as texts.
std::optional<std::vector<std::string>> expand_ranges(std::string_view list) {
  std::vector<std::string> texts;
  for (const std::string_view part : split_outside_brackets(list)) {
    const auto range = parse_range(part);
    if (!range || static_cast<std::size_t>(range->last - range->first) >= kMostHosts) return {};
    for (int i = range->first; i <= range->last; ++i)
      texts.push_back(fmt::format("{:0{}}", i, range->digits));
  }
  return texts;
}

/// One part of a list: a name in which any number of brackets stand.
std::optional<std::vector<std::string>> expand_name(std::string_view name) {
  std::vector<std::string> hosts{""};
  while (!name.empty()) {
    const std::size_t open = std::min(name.find('['), name.size());
    std::vector<std::string> middles{""};
    std::string_view rest;
    if (open < name.size()) {
      const std::size_t close = name.find(']', open);
      if (close == std::string_view::npos) return {};
      auto expanded = expand_ranges(name.substr(open + 1, close - open - 1));
      if (!expanded || expanded->empty() || hosts.size() * expanded->size() > kMostHosts) return {};
      middles = std::move(*expanded);
      rest = name.substr(close + 1);
    }
    std::vector<std::string> longer;
    longer.reserve(hosts.size() * middles.size());
    for (const std::string& host : hosts) {
      for (const std::string& middle : middles)
        longer.push_back(host + std::string(name.substr(0, open)) + middle);
    }
    hosts = std::move(longer);
    name = rest;
  }
  return hosts;
}

}  // namespace

std::vector<std::string_view> split_outside_brackets(std::string_view list) {
  std::vector<std::string_view> parts;
  if (list.empty()) return parts;
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const char c = list[i];
    if (c == '[' || c == '(') ++depth;
    if (c == ']' || c == ')') --depth;
    if (c != ',' || depth > 0) continue;
    parts.push_back(list.substr(begin, i - begin));
    begin = i + 1;
  }
  parts.push_back(list.substr(begin));
  return parts;
}

std::optional<std::vector<std::string>> expand_hostlist(std::string_view list) {
  std::vector<std::string> hosts;
  for (const std::string_view part : split_outside_brackets(list)) {
    const auto expanded = part.empty() ? std::nullopt : expand_name(part);
    if (!expanded || hosts.size() + expanded->size() > kMostHosts) return {};
    hosts.insert(hosts.end(), expanded->begin(), expanded->end());
  }
  return hosts;
}

std::optional<std::vector<int>> expand_numbers(std::string_view list) {
  std::vector<int> numbers;
  for (const std::string_view part : split_outside_brackets(list)) {
    const auto range = parse_range(part);
    if (!range || static_cast<std::size_t>(range->last - range->first) >= kMostHosts) return {};
    for (int i = range->first; i <= range->last; ++i) numbers.push_back(i);
  }
  return numbers;
}

}  // namespace saturn
