// SPDX-License-Identifier: Apache-2.0
#include "workload/yaml.h"

#include <algorithm>
#include <fmt/format.h>
#include <sstream>
#include <unordered_map>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "base/file.h"

namespace saturn {
namespace {

constexpr size_t kMaxText = 8 << 20;
constexpr size_t kMaxDepth = 64;
constexpr size_t kMaxSize =
    32 << 20;  // bytes after aliases were expanded; a sweep of thousands needs far less
constexpr size_t kValueSize = sizeof(Value);

[[noreturn]] void fail(const Document& document, Mark mark, const std::string& message) {
  Diagnostics diagnostics(document);
  diagnostics.error(mark, message);
  diagnostics.throw_if_any();
  throw InputError(message);  // not reached
}

Mark to_mark(const YAML::Mark& mark) {
  return mark.is_null() ? Mark{} : Mark{mark.line + 1, mark.column + 1};
}

/// False when a quote opens at the mark and no other closes it: yaml-cpp takes the rest of the file for the
/// text then, and says nothing.
bool quote_closed(const Document& document, Mark mark) {
  if (mark.line < 1 || static_cast<size_t>(mark.line) > document.lines.size()) return true;
  auto line = static_cast<size_t>(mark.line) - 1;
  auto column = static_cast<size_t>(mark.column) - 1;
  if (column >= document.lines[line].size()) return true;
  const char quote = document.lines[line][column++];
  if (quote != '"' && quote != '\'') return true;
  for (; line < document.lines.size(); ++line, column = 0) {
    for (; column < document.lines[line].size(); ++column) {
      const char c = document.lines[line][column];
      if (c == quote) return true;
      if (c == '\\' && quote == '"') ++column;
    }
  }
  return false;
}

/// Builds Values out of yaml-cpp's events. (Its Node would lose duplicate keys, and expand any alias.)
class ValueBuilder final : public YAML::EventHandler {
 public:
  explicit ValueBuilder(const Document& document) : document_(document), diagnostics_(document) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(leaf(Value::Kind::kNull, mark), anchor, kValueSize);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    Value value = leaf(Value::Kind::kScalar, mark);
    value.scalar = text;
    value.quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
    check_tag(value.mark, tag);
    if (!quote_closed(document_, value.mark)) fail(document_, value.mark, "this quote is never closed");
    add(std::move(value), anchor, kValueSize + text.size());
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) fail(document_, to_mark(mark), "this alias stands inside its own anchor");
    // Before it is copied: ten lines of aliases to aliases can stand for gigabytes.
    if (size_ + found->second.size > kMaxSize)
      fail(document_, to_mark(mark),
           fmt::format("the file grows beyond {} MiB when this alias is expanded", kMaxSize >> 20));
    if (open_.size() + found->second.depth > kMaxDepth) fail_too_deep(to_mark(mark));
    add(found->second.value, YAML::NullAnchor, found->second.size, found->second.depth);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Value::Kind::kList, mark, tag, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Value::Kind::kMap, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override {
    apply_merge_keys(open_.back().value);
    close();
  }

  Value take() {
    diagnostics_.throw_if_any();
    return std::move(root_);
  }

 private:
  /// A list or map that is not closed yet.
  struct Open {
    Value value;
    YAML::anchor_t anchor;
    size_t size_before;  ///< of everything, when it was opened
    size_t depth = 0;    ///< of its deepest child
    bool key_next = true;
    Value key;
  };
  struct Anchored {
    Value value;
    size_t size;
    size_t depth;
  };

  static Value leaf(Value::Kind kind, const YAML::Mark& mark) {
    Value value;
    value.kind = kind, value.mark = to_mark(mark);
    return value;
  }
  void check_tag(Mark mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!" || tag.rfind("tag:yaml.org,2002:", 0) == 0) return;
    diagnostics_.error(mark, fmt::format("the tag '{}' has no meaning here", tag));
  }
  [[noreturn]] void fail_too_deep(Mark mark) {
    fail(document_, mark, fmt::format("nested deeper than {} levels", kMaxDepth));
  }
  void open(Value::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (open_.size() >= kMaxDepth) fail_too_deep(to_mark(mark));
    check_tag(to_mark(mark), tag);
    open_.push_back({leaf(kind, mark), anchor, size_, 0, true, {}});
  }
  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    const size_t size = size_ - done.size_before + kValueSize;
    size_ = done.size_before;
    add(std::move(done.value), done.anchor, size, done.depth + 1);
  }
  void add(Value value, YAML::anchor_t anchor, size_t size, size_t depth = 0) {
    size_ += size;
    if (anchor != YAML::NullAnchor) anchors_[anchor] = {value, size, depth};
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    Open& parent = open_.back();
    parent.depth = std::max(parent.depth, depth);
    if (parent.value.kind == Value::Kind::kList) {
      parent.value.items.push_back(std::move(value));
    } else if (std::exchange(parent.key_next, !parent.key_next)) {
      parent.key = std::move(value);
    } else {
      add_member(parent, std::move(value));
    }
  }
  void add_member(Open& parent, Value value) {
    if (parent.key.kind != Value::Kind::kScalar) {
      diagnostics_.error(parent.key.mark, fmt::format("a key must be a text, not {}", describe(parent.key)));
      return;
    }
    // yaml-cpp places a value that is left out where it stopped looking: lines below, maybe.
    if (value.kind == Value::Kind::kNull) value.mark = parent.key.mark;
    parent.value.members.push_back({parent.key.scalar, parent.key.mark, std::move(value)});
  }
  /// YAML 1.1's `<<`: the keys of one map or of several, where the map itself and then the earlier ones win.
  void apply_merge_keys(Value& map) {
    std::vector<Value::Member> own, sources;
    for (Value::Member& member : map.members)
      (member.key == "<<" ? sources : own).push_back(std::move(member));
    map.members = std::move(own);
    for (const Value::Member& source : sources) {
      if (source.value.kind != Value::Kind::kList) {
        merge(map, source.value);
      } else {
        for (const Value& item : source.value.items) merge(map, item);
      }
    }
  }
  void merge(Value& map, const Value& source) {
    if (source.kind != Value::Kind::kMap) {
      diagnostics_.error(source.mark,
                         fmt::format("'<<' takes a map or a list of maps, not {}", describe(source)));
      return;
    }
    for (const Value::Member& member : source.members) {
      if (map.find(member.key) == nullptr) map.members.push_back(member);
    }
  }

  const Document& document_;
  Diagnostics diagnostics_;
  Value root_;
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, Anchored> anchors_;
  size_t size_ = 0;
};

Mark mark_of_byte(const std::string& text, size_t byte) {
  const auto line = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(byte), '\n');
  const size_t newline = text.rfind('\n', byte);
  return {static_cast<int>(line) + 1,
          static_cast<int>(newline == std::string::npos ? byte + 1 : byte - newline)};
}

/// yaml-cpp's sentence, or a plainer one for the commonest slip.
std::string syntax_message(const Document& document, Mark mark, const std::string& message) {
  const auto line = static_cast<size_t>(std::max(mark.line, 0));
  if (line >= 1 && line <= document.lines.size()) {
    const std::string& text = document.lines[line - 1];
    const size_t indent = text.find_first_not_of(" \t");
    if (text.find('\t') < indent) return "not valid YAML: a tab cannot indent; use spaces";
  }
  return "not valid YAML: " + message;
}

/// What yaml-cpp takes for a second document: one after `---`, or a line that its grammar cannot attach.
std::string second_document_message(const Document& document, Mark mark) {
  const auto end = document.lines.begin() + std::min<std::ptrdiff_t>(mark.line, std::ssize(document.lines));
  const bool separated = std::any_of(document.lines.begin(), end, [](const std::string& line) {
    return line.rfind("---", 0) == 0 || line.rfind("...", 0) == 0;
  });
  return separated ? "a second document begins here; one file holds one"
                   : "not valid YAML: this does not continue what stands above it; check the indentation";
}

}  // namespace

Document parse_yaml(const std::string& file, const std::string& text) {
  Document document{file, {}, {}};
  if (text.size() > kMaxText)
    fail(document, {}, fmt::format("the file is larger than {} MiB: this is no workload", kMaxText >> 20));
  document.lines = split_lines(text);
  if (const size_t zero = text.find('\0'); zero != std::string::npos)
    fail(document, {}, "the file contains a zero byte: this is no text");
  if (const size_t bad = find_invalid_utf8(text); bad != std::string::npos)
    fail(document, mark_of_byte(text, bad), "this is not UTF-8; save the file as UTF-8");
  std::istringstream stream(text);
  try {
    YAML::Parser parser(stream);
    ValueBuilder builder(document);
    parser.HandleNextDocument(builder);
    document.root = builder.take();
    ValueBuilder more(document);
    if (parser.HandleNextDocument(more)) {
      const Mark mark = more.take().mark;
      fail(document, mark, second_document_message(document, mark));
    }
  } catch (const YAML::Exception& error) {
    const Mark mark = to_mark(error.mark);
    fail(document, mark, syntax_message(document, mark, error.msg));
  }
  return document;
}

Document read_yaml(const std::string& file) {
  return parse_yaml(file, read_file(file));
}

}  // namespace saturn
