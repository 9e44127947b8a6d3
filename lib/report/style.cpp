// SPDX-License-Identifier: Apache-2.0
#include "report/style.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <string>
#include <sys/ioctl.h>
#include <unistd.h>

namespace saturn {
namespace {

constexpr int kNarrowest = 40;
constexpr int kUsualHeight = 24;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// UTF-8: every byte but those inside a code point.
bool starts_code_point(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
}

}  // namespace

bool is_terminal(int fd) {
  return ::isatty(fd) == 1 && variable("TERM") != "dumb";
}

Style style_of(int fd) {
  Style style;
  style.colour = is_terminal(fd) && variable("NO_COLOR").empty();
  winsize size{};
  if (::isatty(fd) == 1 && ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) style.width = size.ws_col;
  if (const int columns = std::atoi(variable("COLUMNS").c_str()); columns > 0) style.width = columns;
  style.width = std::max(style.width, kNarrowest);
  return style;
}

int height_of(int fd) {
  if (const int lines = std::atoi(variable("LINES").c_str()); lines > 0) return lines;
  winsize size{};
  const bool known = ::isatty(fd) == 1 && ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0;
  return known ? size.ws_row : kUsualHeight;
}

std::string paint(const Style& style, Ink ink, std::string_view text) {
  if (!style.colour || text.empty()) return std::string(text);
  constexpr int kCodes[] = {1, 2, 31, 32, 33};
  return fmt::format("\x1b[{}m{}\x1b[0m", kCodes[static_cast<size_t>(ink)], text);
}

size_t columns_of(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), starts_code_point));
}

std::string cut(std::string_view text, size_t columns) {
  if (columns_of(text) <= columns) return std::string(text);
  if (columns == 0) return "";
  size_t end = 0, seen = 0;
  for (; end < text.size(); ++end) {
    if (starts_code_point(text[end]) && seen++ == columns - 1) break;
  }
  return std::string(text.substr(0, end)) + "…";
}

std::string one_line(std::string_view text) {
  std::string line(text);
  for (char& byte : line) {
    if (static_cast<unsigned char>(byte) < ' ' || byte == '\x7f') byte = ' ';
  }
  return line;
}

std::string indented(std::string_view log) {
  std::string text;
  while (!log.empty()) {
    const size_t end = std::min(log.find('\n'), log.size());
    text += "  | " + one_line(log.substr(0, end)) + "\n";
    log.remove_prefix(std::min(end + 1, log.size()));
  }
  return text;
}

}  // namespace saturn
