// SPDX-License-Identifier: Apache-2.0
#include "base/document.h"

#include <doctest/doctest.h>

namespace saturn::document_test {

namespace {

Value scalar(const std::string& text, bool quoted = false) {
  Value value;
  value.kind = Value::Kind::kScalar, value.scalar = text, value.quoted = quoted;
  return value;
}

}  // namespace

TEST_CASE("a whole number may carry a sign or an exponent, but no fraction, quotes or blanks") {
  CHECK(as_integer(scalar("42")) == 42);
  CHECK(as_integer(scalar("-7")) == -7);
  CHECK(as_integer(scalar("+7")) == 7);
  CHECK(as_integer(scalar("1e6")) == 1'000'000);
  CHECK(as_integer(scalar("9223372036854775807")) == INT64_MAX);
  for (const char* text :
       {"1.5", "", "x", "1 ", "0x10", "1_000", "+-1", "1e400", "9223372036854775808", "nan"})
    CHECK_FALSE(as_integer(scalar(text)));
  CHECK_FALSE(as_integer(scalar("42", true)));
}

TEST_CASE("a number is finite") {
  CHECK(as_number(scalar("3e-4")) == 3e-4);
  CHECK(as_number(scalar(".5")) == 0.5);
  CHECK(as_number(scalar("+2")) == 2);
  for (const char* text : {"inf", "nan", "1e999", "-inf", "1,5", "--1", ""})
    CHECK_FALSE(as_number(scalar(text)));
  CHECK_FALSE(as_number(scalar("1", true)));
}

TEST_CASE("only true and false are truth values") {
  CHECK(as_boolean(scalar("true")) == true);
  CHECK(as_boolean(scalar("false")) == false);
  for (const char* text : {"yes", "True", "1", ""}) CHECK_FALSE(as_boolean(scalar(text)));
  CHECK_FALSE(as_boolean(scalar("true", true)));
}

TEST_CASE("values are described for messages") {
  Value map, list;
  map.kind = Value::Kind::kMap, list.kind = Value::Kind::kList;
  CHECK(describe(Value{}) == "nothing");
  CHECK(describe(map) == "a map");
  CHECK(describe(list) == "a list");
  CHECK(describe(scalar("12")) == "the number 12");
  CHECK(describe(scalar("12", true)) == "the text '12'");
  CHECK(describe(scalar(std::string(70, 'x'))) == "the text '" + std::string(60, 'x') + "...'");
}

TEST_CASE("lines are split at both kinds of line ends") {
  CHECK(split_lines("a\r\nb\n\nc") == std::vector<std::string>{"a", "b", "", "c"});
  CHECK(split_lines("").empty());
  CHECK(split_lines("a\n") == std::vector<std::string>{"a"});
}

TEST_CASE("diagnostics come in the order of the text, equal ones once, with the line they point at") {
  const Document document{"f.yaml", {"first", "second"}, {}};
  Diagnostics diagnostics(document);
  diagnostics.throw_if_any();
  diagnostics.error({2, 3}, "late");
  diagnostics.error({1, 2}, "early");
  diagnostics.error({2, 3}, "late");
  diagnostics.error({}, "of the whole file");
  REQUIRE(diagnostics.any());
  CHECK_THROWS_WITH_AS(diagnostics.throw_if_any(),
                       "f.yaml: error: of the whole file\n"
                       "f.yaml:1:2: error: early\n"
                       "     1 | first\n"
                       "       |  ^\n"
                       "f.yaml:2:3: error: late\n"
                       "     2 | second\n"
                       "       |   ^",
                       InputError);
}

TEST_CASE("a very long line is not shown") {
  const Document document{"f.json", {std::string(301, 'x')}, {}};
  Diagnostics diagnostics(document);
  diagnostics.error({1, 300}, "wrong");
  CHECK_THROWS_WITH_AS(diagnostics.throw_if_any(), "f.json:1:300: error: wrong", InputError);
}

TEST_CASE("control characters of a file do not reach the terminal") {
  const Document document{"f.yaml", {"\ta\x1b[2Jb"}, {}};
  Diagnostics diagnostics(document);
  diagnostics.error({1, 2}, "not 'a\x1b[2J\n'");
  CHECK_THROWS_WITH_AS(diagnostics.throw_if_any(),
                       "f.yaml:1:2: error: not 'a?[2J?'\n"
                       "     1 | \ta?[2Jb\n"
                       "       | \t^",
                       InputError);
}

TEST_CASE("what is no UTF-8 is found where it begins") {
  CHECK(find_invalid_utf8("plain, \xC3\xA9, \xE2\x82\xAC, \xF0\x9F\x98\x80") == std::string::npos);
  CHECK(find_invalid_utf8("") == std::string::npos);
  for (const char* bad : {"\xFF", "\x80", "\xC3", "\xC3(", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80",
                          "\xF4\x90\x80\x80", "\xE2\x82", "\xF8\x88\x80\x80"}) {
    CHECK(find_invalid_utf8(std::string("ab") + bad) == 2);
  }
}

}  // namespace saturn::document_test
