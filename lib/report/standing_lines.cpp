// SPDX-License-Identifier: Apache-2.0
#include "report/standing_lines.h"

#include <fmt/format.h>

namespace saturn {
namespace {

constexpr std::string_view kEraseBelow = "\r\x1b[J";

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

}  // namespace

/// What brings the cursor to where the lines begin, and removes them.
std::string StandingLines::erased() const {
  return standing_.empty() ? "" : fmt::format("\x1b[{}A{}", standing_.size(), kEraseBelow);
}

void StandingLines::draw(const std::vector<std::string>& lines) {
  if (lines == standing_) return;
  output_(erased() + joined(lines));
  standing_ = lines;
}

void StandingLines::message(std::string_view line) {
  output_(erased() + std::string(line) + "\n" + joined(standing_));
}

void StandingLines::finish() {
  if (!standing_.empty()) output_(erased());
  standing_.clear();
}

}  // namespace saturn
