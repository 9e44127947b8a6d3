// SPDX-License-Identifier: Apache-2.0
#include "base/document.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <tuple>

namespace saturn {
namespace {

/// The text of an unquoted scalar, without the plus sign that from_chars refuses.
std::string_view number_text(const Value& value) {
  if (value.kind != Value::Kind::kScalar || value.quoted) return {};
  std::string_view text = value.scalar;
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  return text;
}

template <typename T>
std::optional<T> whole_text_as(std::string_view text) {
  T result{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return result;
}

/// Without control characters, which a terminal would obey. Tabs stay: the caret is placed behind them.
std::string printable(std::string text) {
  for (char& c : text) {
    if ((static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7f') c = '?';
  }
  return text;
}

/// Bytes of the character at the front, 0 when it is none (RFC 3629: no overlong forms, no surrogates).
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned first = byte(0), second = byte(1);
  const size_t length = first < 0x80   ? 1
                        : first < 0xC2 ? 0
                        : first < 0xE0 ? 2
                        : first < 0xF0 ? 3
                        : first < 0xF5 ? 4
                                       : 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) return 0;
  }
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool beyond = (first == 0xED && second > 0x9F) || (first == 0xF4 && second > 0x8F);
  return overlong || beyond ? 0 : length;
}

auto order(const Diagnostic& d) {
  return std::tie(d.line, d.column, d.message);
}

}  // namespace

const Value* Value::find(std::string_view key) const {
  const auto found =
      std::find_if(members.begin(), members.end(), [&](const Member& m) { return m.key == key; });
  return found == members.end() ? nullptr : &found->value;
}

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size());
    lines.push_back(text.substr(start, end - start));
    if (!lines.back().empty() && lines.back().back() == '\r') lines.back().pop_back();
    start = end + 1;
  }
  return lines;
}

size_t find_invalid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return std::string_view::npos;
}

std::optional<std::int64_t> as_integer(const Value& value) {
  const std::string_view text = number_text(value);
  if (const auto whole = whole_text_as<std::int64_t>(text)) return whole;
  const auto number = as_number(value);  // "1e6" is whole too
  if (!number || std::abs(*number) > 9007199254740992.0 || std::trunc(*number) != *number) return {};
  return static_cast<std::int64_t>(*number);
}

std::optional<double> as_number(const Value& value) {
  const auto number = whole_text_as<double>(number_text(value));
  return number && std::isfinite(*number) ? number : std::nullopt;
}

std::optional<bool> as_boolean(const Value& value) {
  if (value.kind != Value::Kind::kScalar || value.quoted) return {};
  if (value.scalar == "true") return true;
  if (value.scalar == "false") return false;
  return {};
}

std::string describe(const Value& value) {
  if (value.kind == Value::Kind::kNull) return "nothing";
  if (value.kind == Value::Kind::kList) return "a list";
  if (value.kind == Value::Kind::kMap) return "a map";
  if (as_number(value)) return "the number " + value.scalar;
  constexpr size_t kMost = 60;
  const bool shortened = value.scalar.size() > kMost;
  return fmt::format("the text '{}{}'", value.scalar.substr(0, kMost), shortened ? "..." : "");
}

void Diagnostics::error(Mark mark, std::string message) {
  const auto line = static_cast<size_t>(std::max(mark.line, 0));
  constexpr size_t kLongestExcerpt = 300;
  const bool shown =
      line >= 1 && line <= document_->lines.size() && document_->lines[line - 1].size() <= kLongestExcerpt;
  diagnostics_.push_back({document_->file, mark.line, mark.column, printable(std::move(message)),
                          shown ? printable(document_->lines[line - 1]) : std::string()});
}

void Diagnostics::throw_if_any() const {
  if (diagnostics_.empty()) return;
  auto sorted = diagnostics_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return order(a) < order(b); });
  // What stands once in the file may be read for many tasks (defaults, sweeps): it is said once.
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  throw InputError(std::move(sorted));
}

}  // namespace saturn
