// SPDX-License-Identifier: Apache-2.0
#include "workload/progress_pattern.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdexcept>

#include "base/error.h"

namespace saturn {
namespace {

/// The library's matcher recurses once a character.
constexpr std::size_t kLongestLine = 4096;
const std::vector<std::string> kGroups{"step", "steps", "loss", "validation_loss", "checkpoint"};

struct Plain {
  std::string text;  ///< without names
  std::map<std::string, std::size_t> groups;
};

/// The name at `(?<` or `(?P<`, and where the text after it goes on; no name: npos.
std::size_t name_at(const std::string& text, std::size_t open, std::string& name) {
  const std::size_t begin = text.compare(open, 3, "(?<") == 0    ? open + 3
                            : text.compare(open, 4, "(?P<") == 0 ? open + 4
                                                                 : std::string::npos;
  if (begin == std::string::npos || begin >= text.size() || text[begin] == '=' || text[begin] == '!')
    return std::string::npos;
  const std::size_t end = text.find('>', begin);
  if (end == std::string::npos) throw std::invalid_argument("a group's name has no '>' after it");
  name = text.substr(begin, end - begin);
  return end + 1;
}

void add_group(Plain& plain, const std::string& name, std::size_t number) {
  if (std::find(kGroups.begin(), kGroups.end(), name) == kGroups.end()) {
    const std::string meant = did_you_mean(name, kGroups);
    throw std::invalid_argument(
        fmt::format("there is no group '{}'{}", name,
                    meant.empty() ? fmt::format("; groups: {}", fmt::join(kGroups, ", ")) : meant));
  }
  if (!plain.groups.emplace(name, number).second)
    throw std::invalid_argument(fmt::format("the group '{}' is there twice", name));
}

/// std::regex knows no named groups: they become numbered ones.
Plain without_names(const std::string& text) {
  Plain plain;
  std::size_t number = 0;
  bool in_class = false;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '\\' && at + 1 < text.size()) {
      plain.text += text.substr(at, 2), at += 2;
      continue;
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    std::string name;
    const std::size_t after = c == '(' && !in_class ? name_at(text, at, name) : std::string::npos;
    if (after != std::string::npos) add_group(plain, name, ++number);
    if (after == std::string::npos && c == '(' && !in_class && text.compare(at, 2, "(?") != 0) ++number;
    plain.text += c;
    at = after == std::string::npos ? at + 1 : after;
  }
  return plain;
}

std::regex compile(const std::string& text) {
  try {
    return std::regex(text, std::regex::ECMAScript | std::regex::optimize);
  } catch (const std::regex_error& error) {
    throw std::invalid_argument(error.what());
  }
}

}  // namespace

ProgressPattern::ProgressPattern(const std::string& text) {
  Plain plain = without_names(text);
  expression_ = compile(plain.text);
  groups_ = std::move(plain.groups);
  if (groups_.empty())
    throw std::invalid_argument(
        R"(it has no group with a name: write (?<step>\d+) around the step's number)");
}

std::map<std::string, std::string> ProgressPattern::match(std::string_view line) const {
  line = line.substr(0, kLongestLine);
  std::match_results<std::string_view::const_iterator> found;
  if (!std::regex_search(line.begin(), line.end(), found, expression_)) return {};
  std::map<std::string, std::string> result;
  for (const auto& [name, number] : groups_) {
    if (found[number].matched) result[name] = found[number].str();
  }
  return result;
}

}  // namespace saturn
