// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "base/document.h"

namespace saturn::json_test {

namespace {

std::string place(Mark mark) {
  return std::to_string(mark.line) + ":" + std::to_string(mark.column);
}

void check_error(const std::string& text, const std::string& message) {
  CAPTURE(text);
  CHECK_THROWS_WITH_AS(parse_json("f.json", text), message.c_str(), InputError);
}

}  // namespace

TEST_CASE("every JSON value knows where it was written") {
  const Document document = parse_json("f.json",
                                       "{\"list\": [1, -2.5e3, true, null, \"x\"],\n"
                                       "\t\"map\" : {\"a\\\"b\": \"\\u00e9\\n\"}}\n");
  const Value& list = *document.root.find("list");
  CHECK(place(document.root.mark) == "1:1");
  CHECK(place(document.root.members[0].mark) == "1:2");
  CHECK(place(list.mark) == "1:10");
  REQUIRE(list.items.size() == 5);
  CHECK(place(list.items[1].mark) == "1:14");
  CHECK(list.items[1].scalar == "-2.5e3");
  CHECK(as_boolean(list.items[2]) == true);
  CHECK(list.items[3].kind == Value::Kind::kNull);
  CHECK(list.items[4].quoted);
  CHECK(place(list.items[4].mark) == "1:34");
  const Value& map = *document.root.find("map");
  CHECK(place(map.mark) == "2:10");
  CHECK(map.members[0].key == "a\"b");
  CHECK(map.members[0].value.scalar == "\xC3\xA9\n");
  CHECK(place(map.members[0].value.mark) == "2:19");
}

TEST_CASE("JSON keys given twice are both there") {
  const Document document = parse_json("f.json", R"({"a": 1, "a": 2})");
  REQUIRE(document.root.members.size() == 2);
  CHECK(document.root.find("a")->scalar == "1");
}

TEST_CASE("truncated JSON is said to be truncated, wherever it ends") {
  const std::string whole = R"({"a": [1, {"b": "text"}], "c": -1.5})";
  for (size_t length = 1; length < whole.size(); ++length) {
    CAPTURE(length);
    try {
      (void)parse_json("f.json", whole.substr(0, length));
      FAIL("accepted");
    } catch (const InputError& error) {
      CHECK(error.diagnostics().at(0).message == "the JSON ends in the middle: the file is truncated");
    }
  }
  check_error("{\n  \"a\": 1,\n",
              "f.json:2:9: error: the JSON ends in the middle: the file is truncated\n"
              "     2 |   \"a\": 1,\n"
              "       |         ^");
}

TEST_CASE("wrong JSON is reported where it is wrong") {
  check_error("", "f.json: error: the file is empty, JSON is expected");
  check_error(" \n", "f.json: error: the file is empty, JSON is expected");
  check_error(
      "{\"a\": tru}",
      "f.json:1:10: error: not valid JSON: syntax error while parsing value - invalid literal; last read: "
      "'\"a\": tru}'\n"
      "     1 | {\"a\": tru}\n"
      "       |          ^");
  check_error(std::string(1000, '['), "f.json:1:101: error: nested deeper than 100 levels");
}

}  // namespace saturn::json_test
