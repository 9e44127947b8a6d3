// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace saturn {

/// A place in a source text; 1-based, 0 = unknown.
struct Mark {
  int line = 0;
  int column = 0;
};

/// A YAML or JSON value that knows where it was written. Plain data; owns its children.
struct Value {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Member;

  Kind kind = Kind::kNull;
  Mark mark;
  std::string scalar;   ///< the text of a scalar, unquoted
  bool quoted = false;  ///< written in quotes: a string even when it looks like a number
  std::vector<Value> items;
  std::vector<Member> members;  ///< in the order written; duplicate keys are both there

  const Value* find(std::string_view key) const;  ///< the first member of that name, or null
};

struct Value::Member {
  std::string key;
  Mark mark;  ///< of the key
  Value value;
};

/// A parsed text: its value and what is needed to point into it.
struct Document {
  std::string file;  ///< as shown in messages
  std::vector<std::string> lines;
  Value root;
};

/// The text cut at its line ends, which are left out ("\n" and "\r\n").
std::vector<std::string> split_lines(const std::string& text);

/// Where a text stops being UTF-8 (the first byte of what is none), or npos.
size_t find_invalid_utf8(std::string_view text);

/// Parses JSON. Errors: InputError with the place of the syntax error ("truncated" said as such).
Document parse_json(const std::string& file, const std::string& text);
/// Reads the file and parses it. Errors also: SystemError when it cannot be read.
Document read_json(const std::string& file);

/// Collects what is wrong with one document; nothing throws until `throw_if_any`.
class Diagnostics {
 public:
  explicit Diagnostics(const Document& document) : document_(&document) {}

  void error(Mark mark, std::string message);
  bool any() const { return !diagnostics_.empty(); }
  size_t count() const { return diagnostics_.size(); }
  const std::vector<Diagnostic>& all() const { return diagnostics_; }
  /// Errors: InputError with everything collected, in the order of the text, equal ones once.
  void throw_if_any() const;

  /// The keys that were looked for in each map that was read to its end, by the map's name in messages: what
  /// a reader accepts (for paths of sweeps, and for the test that holds the schema true).
  const std::map<std::string, std::vector<std::string>>& accepted_keys() const { return accepted_keys_; }
  void note_keys(const std::string& what, const std::vector<std::string>& keys) {
    accepted_keys_[what] = keys;
  }

 private:
  const Document* document_;
  std::vector<Diagnostic> diagnostics_;
  std::map<std::string, std::vector<std::string>> accepted_keys_;
};

/// Reads one map: every getter marks its key as known, reports a wrong type or range with its place, and
/// returns the default then. Call `finish` last: it reports unknown keys (with "did you mean") and duplicate
/// ones. `what` names the map in messages ("task 'bert'", "optimizer"). Does not own the document or the
/// diagnostics.
class MapReader {
 public:
  MapReader(const Value& map, std::string what, Diagnostics& diagnostics);

  bool is_map() const { return map_->kind == Value::Kind::kMap; }  ///< if not, that was reported
  bool has(std::string_view key) const;
  Mark mark() const { return map_->mark; }
  Mark mark(std::string_view key) const;     ///< of the value, or of the map when the key is missing
  const Value* value(std::string_view key);  ///< null when missing

  std::string text(std::string_view key, std::string fallback = "");
  std::int64_t integer(std::string_view key, std::int64_t fallback, std::int64_t min, std::int64_t max);
  double number(std::string_view key, double fallback, double min, double max);
  bool boolean(std::string_view key, bool fallback);
  /// "512MiB" or a whole number of bytes.
  std::int64_t bytes(std::string_view key, std::int64_t fallback);
  /// "90s" or a number of seconds, at most 10,000 days.
  double seconds(std::string_view key, double fallback);
  /// One of `choices`; reports another word with "did you mean".
  std::string choice(std::string_view key, std::string fallback, const std::vector<std::string>& choices);
  /// A list of scalars, or one scalar standing for a list of one.
  std::vector<std::string> texts(std::string_view key);
  std::vector<std::int64_t> integers(std::string_view key, std::int64_t min, std::int64_t max);

  /// Reports "WHAT: missing key 'KEY'" when it is not there; returns whether it is.
  bool require(std::string_view key);
  void error(std::string_view key, const std::string& message);  ///< at the key's value
  void finish();
  const std::string& what() const { return what_; }
  Diagnostics& diagnostics() { return *diagnostics_; }

 private:
  const Value* map_;
  std::string what_;
  Diagnostics* diagnostics_;
  std::vector<std::string> known_;
};

/// The scalar as a whole number / a finite number / a truth value (true, false); empty when it is none.
std::optional<std::int64_t> as_integer(const Value& value);
std::optional<double> as_number(const Value& value);
std::optional<bool> as_boolean(const Value& value);
/// "a map", "a list", "the text 'x'", "nothing": for messages.
std::string describe(const Value& value);

}  // namespace saturn
