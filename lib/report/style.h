// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace saturn {

/// What a report may use of the place it is shown at.
struct Style {
  int width = 120;      ///< columns; tables are cut to it
  bool colour = false;  ///< escape sequences for colours are understood

  bool operator==(const Style&) const = default;
};

/// The style of a terminal; of anything else: 120 columns, no colour. NO_COLOR (not empty) and TERM=dumb turn
/// colour off, COLUMNS sets the width.
Style style_of(int fd);
/// Lines of a terminal; LINES sets them; 24 of anything else.
int height_of(int fd);
/// The descriptor is a terminal that can move its cursor.
bool is_terminal(int fd);

enum class Ink { kBold, kDim, kRed, kGreen, kYellow };
/// The text in that colour, or unchanged without colour.
std::string paint(const Style& style, Ink ink, std::string_view text);

/// Columns that a UTF-8 text takes (one per code point; escape sequences are not expected).
size_t columns_of(std::string_view text);
/// At most `columns` columns of the text, the last one "…" when something was cut off.
std::string cut(std::string_view text, size_t columns);
/// Line breaks and other control characters as blanks: one safe line.
std::string one_line(std::string_view text);
/// Every line of a log behind "  | ", safe to show; "" stays "".
std::string indented(std::string_view log);

}  // namespace saturn
