// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/document.h"
#include "base/file.h"

namespace saturn {
namespace {

constexpr size_t kMaxDepth = 100;  // no artifact is deeper than ten

/// Follows nlohmann's parser through the text: it says what each token means, the cursor says where it stands
/// (the parser itself tells no places). Every call is for a token that was found correct.
class Cursor {
 public:
  explicit Cursor(const std::string& text) : text_(text) {}

  /// Skips blanks, commas and colons to the next token, passes over it, and returns its text.
  std::string_view next() {
    while (at_ < text_.size() && is_between_tokens(text_[at_])) advance();
    mark_ = {line_, column_};
    const size_t start = at_;
    if (at_ >= text_.size()) return {};
    if (text_[at_] == '"') {
      pass_string();
    } else if (std::string_view("{}[]").find(text_[at_]) != std::string_view::npos) {
      advance();
    } else {
      while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) ||
                                    std::string_view("+-.").find(text_[at_]) != std::string_view::npos))
        advance();
    }
    return std::string_view(text_).substr(start, at_ - start);
  }
  Mark mark() const { return mark_; }  ///< of the token that `next` returned

  /// Moves to a byte of the text.
  Mark mark_of_byte(size_t byte) {
    at_ = 0, line_ = 1, column_ = 1;
    while (at_ < std::min(byte, text_.size())) advance();
    return {line_, column_};
  }

 private:
  /// A byte order mark's bytes, too.
  static bool is_between_tokens(char c) {
    return c == ' ' || c == '\n' || c == ',' || c == ':' || c == '\t' || c == '\r' || c == '\xEF' ||
           c == '\xBB' || c == '\xBF';
  }
  void advance() {
    const bool newline = text_[at_] == '\n';
    ++at_;
    line_ += newline ? 1 : 0;
    column_ = newline ? 1 : column_ + 1;
  }
  void pass_string() {
    advance();
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\') advance();
      advance();
    }
    advance();
  }

  const std::string& text_;
  size_t at_ = 0;
  int line_ = 1;
  int column_ = 1;
  Mark mark_;
};

/// Builds Values out of nlohmann's events; the names of its members are nlohmann's.
class ValueBuilder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit ValueBuilder(const std::string& text) : cursor_(text) {}

  bool null() override { return cursor_.next(), add(leaf(Value::Kind::kNull, "")) != nullptr; }
  bool boolean(bool) override { return add_literal(); }
  bool number_integer(number_integer_t) override { return add_literal(); }
  bool number_unsigned(number_unsigned_t) override { return add_literal(); }
  bool number_float(number_float_t, const string_t&) override { return add_literal(); }
  bool string(string_t& text) override {
    cursor_.next();
    Value value = leaf(Value::Kind::kScalar, std::move(text));
    value.quoted = true;
    return add(std::move(value)) != nullptr;
  }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Value::Kind::kMap); }
  bool start_array(std::size_t) override { return open(Value::Kind::kList); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& key) override {
    cursor_.next();
    key_ = std::move(key), key_mark_ = cursor_.mark();
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) override {
    error_byte_ = position == 0 ? 0 : position - 1;
    error_ = e.what();
    return false;
  }

  Value take() { return std::move(root_); }
  size_t error_byte() const { return error_byte_; }
  /// nlohmann's sentence without its number and its own place; empty when the text was too deep.
  std::string error() const {
    const size_t behind_place = error_.find(": ", error_.find("parse error at"));
    return behind_place == std::string::npos ? error_ : error_.substr(behind_place + 2);
  }
  bool too_deep() const { return too_deep_; }
  Cursor& cursor() { return cursor_; }

 private:
  Value leaf(Value::Kind kind, std::string text) {
    Value value;
    value.kind = kind, value.mark = cursor_.mark(), value.scalar = std::move(text);
    return value;
  }
  bool add_literal() {
    std::string text(cursor_.next());
    return add(leaf(Value::Kind::kScalar, std::move(text))) != nullptr;
  }
  bool open(Value::Kind kind) {
    cursor_.next();
    too_deep_ = open_.size() >= kMaxDepth;
    if (too_deep_) return false;
    open_.push_back(add(leaf(kind, "")));
    return true;
  }
  bool close() {
    cursor_.next();
    open_.pop_back();
    return true;
  }
  /// The pointers in `open_` stay good: a container grows only while it is the innermost one.
  Value* add(Value value) {
    if (open_.empty()) return &(root_ = std::move(value));
    Value& parent = *open_.back();
    if (parent.kind == Value::Kind::kList) return &parent.items.emplace_back(std::move(value));
    return &parent.members.emplace_back(Value::Member{key_, key_mark_, std::move(value)}).value;
  }

  Cursor cursor_;
  Value root_;
  std::vector<Value*> open_;
  std::string key_;
  Mark key_mark_;
  std::string error_;
  size_t error_byte_ = 0;
  bool too_deep_ = false;
};

[[noreturn]] void fail(const Document& document, Mark mark, const std::string& message) {
  Diagnostics diagnostics(document);
  diagnostics.error(mark, message);
  diagnostics.throw_if_any();
  throw InputError(message);  // not reached
}

}  // namespace

Document parse_json(const std::string& file, const std::string& text) {
  Document document{file, split_lines(text), {}};
  const size_t end = text.find_last_not_of(" \t\r\n");
  if (end == std::string::npos) fail(document, {}, "the file is empty, JSON is expected");
  ValueBuilder builder(text);
  if (!nlohmann::json::sax_parse(text, &builder)) {
    if (builder.too_deep())
      fail(document, builder.cursor().mark(), fmt::format("nested deeper than {} levels", kMaxDepth));
    const bool truncated = builder.error_byte() > end;
    const Mark mark = builder.cursor().mark_of_byte(std::min(builder.error_byte(), end));
    if (truncated) fail(document, mark, "the JSON ends in the middle: the file is truncated");
    fail(document, mark, "not valid JSON: " + builder.error());
  }
  document.root = builder.take();
  return document;
}

Document read_json(const std::string& file) {
  return parse_json(file, read_file(file));
}

}  // namespace saturn
