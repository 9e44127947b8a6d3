// SPDX-License-Identifier: Apache-2.0
#include "workload/yaml.h"

#include <doctest/doctest.h>

namespace saturn::yaml_test {

namespace {

/// The value as JSON-like text with places: `{a@1:1: 1@1:4}`.
std::string show(const Value& value) {
  const std::string place = "@" + std::to_string(value.mark.line) + ":" + std::to_string(value.mark.column);
  std::string text;
  if (value.kind == Value::Kind::kScalar)
    return (value.quoted ? "'" + value.scalar + "'" : value.scalar) + place;
  if (value.kind == Value::Kind::kNull) return "null" + place;
  if (value.kind == Value::Kind::kList) {
    for (const Value& item : value.items) text += (text.empty() ? "" : ", ") + show(item);
    return "[" + text + "]" + place;
  }
  for (const Value::Member& member : value.members)
    text += (text.empty() ? "" : ", ") + member.key + ": " + show(member.value);
  return "{" + text + "}" + place;
}

std::string yaml(const std::string& text) {
  return show(parse_yaml("f.yaml", text).root);
}

}  // namespace

TEST_CASE("YAML values know where they stand") {
  CHECK(yaml("a: 1\nb:\n  - x\n  - 'y z'\n  - {c: ~}\n") ==
        "{a: 1@1:4, b: [x@3:5, 'y z'@4:5, {c: null@5:6}@5:5]@3:3}@1:1");
}

TEST_CASE("an empty file and one of comments are nothing") {
  CHECK(yaml("") == "null@0:0");
  CHECK(yaml("# nothing\n\n") == "null@0:0");
  CHECK(yaml("---\n") == "null@2:1");
}

TEST_CASE("aliases stand for the value and keep its place") {
  CHECK(yaml("a: &x [1]\nb: *x\n") == "{a: [1@1:8]@1:4, b: [1@1:8]@1:4}@1:1");
}

TEST_CASE("merge keys take one map or several; the map itself wins, then the earlier ones") {
  CHECK(yaml("base: &b {p: 1, q: 2}\nx:\n  <<: *b\n  q: 3\n") ==
        "{base: {p: 1@1:14, q: 2@1:20}@1:7, x: {q: 3@4:6, p: 1@1:14}@3:3}@1:1");
  CHECK(yaml("<<: [{a: 1}, {a: 2, b: 3}]\n") == "{a: 1@1:10, b: 3@1:24}@1:1");
  CHECK(yaml("l: &l {a: 1}\nm: &m {<<: *l, b: 2}\nn: {<<: *m}\n") ==
        "{l: {a: 1@1:11}@1:4, m: {b: 2@2:19, a: 1@1:11}@2:4, n: {b: 2@2:19, a: 1@1:11}@3:4}@1:1");
}

TEST_CASE("keys given twice are both there, for the reader to report") {
  CHECK(yaml("a: 1\na: 2\n") == "{a: 1@1:4, a: 2@2:4}@1:1");
}

TEST_CASE("quoted and tagged texts are texts, whatever they look like") {
  CHECK(yaml("[\"1\", !!str 2, !!int 3, 'it''s', \"a\\\"b\"]") ==
        "['1'@1:2, '2'@1:7, 3@1:16, 'it's'@1:25, 'a\"b'@1:34]@1:1");
}

TEST_CASE("many aliases are fine as long as what they stand for is small") {
  std::string text = "a: &a {x: 1}\nb:\n";
  for (int i = 0; i < 5000; ++i) text += "- *a\n";
  CHECK(parse_yaml("f.yaml", text).root.find("b")->items.size() == 5000);
}

}  // namespace saturn::yaml_test
