// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

namespace saturn {

/// A regular expression that finds progress in a line of a script's output. ECMAScript syntax, and groups
/// with a name, `(?<step>\d+)` or `(?P<step>\d+)`: step, steps (how many there will be), loss,
/// validation_loss, checkpoint (a path). Immutable.
class ProgressPattern {
 public:
  /// Errors: std::invalid_argument saying what is wrong with the expression.
  explicit ProgressPattern(const std::string& text);

  bool has(const std::string& group) const { return groups_.contains(group); }
  /// What each named group is in the first match; empty when there is none. Only the first 4096 characters
  /// are looked at.
  std::map<std::string, std::string> match(std::string_view line) const;

 private:
  std::map<std::string, std::size_t> groups_;  ///< name -> number
  std::regex expression_;
};

}  // namespace saturn
