// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace saturn {

/// Lines at the bottom of a terminal that are drawn over themselves. None may be wider than the terminal,
/// nor may there be more than fit. Use from one thread.
class StandingLines {
 public:
  using Output = std::function<void(std::string_view)>;

  explicit StandingLines(Output output) : output_(std::move(output)) {}
  /// Removes them.
  ~StandingLines() { finish(); }
  StandingLines(const StandingLines&) = delete;
  StandingLines& operator=(const StandingLines&) = delete;

  /// In place of those that stand. One write: nothing flickers.
  void draw(const std::vector<std::string>& lines);
  /// A line that stays, above them.
  void message(std::string_view line);
  /// Removes them: other output may follow.
  void finish();

 private:
  std::string erased() const;

  Output output_;
  std::vector<std::string> standing_;
};

}  // namespace saturn
