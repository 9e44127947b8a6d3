// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <doctest/doctest.h>

#include "base/document.h"

namespace saturn::map_reader_test {

namespace {

/// Reads a map with `read` and returns the messages, one a line, without places.
template <typename Read>
std::string messages(const std::string& json, Read read) {
  const Document document = parse_json("f.json", json);
  Diagnostics diagnostics(document);
  MapReader reader(document.root, "thing", diagnostics);
  read(reader);
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics.all()) text += diagnostic.message + "\n";
  return text;
}

}  // namespace

TEST_CASE("values are read and missing ones have their default") {
  const std::string json =
      R"({"i": 3, "n": 2.5, "t": "x", "b": true, "s": "1m", "y": "1KiB", "c": "two", "l": ["p", "q"], "k": [1, 2]})";
  CHECK(messages(json, [](MapReader& r) {
          CHECK(r.integer("i", 0, 0, 9) == 3);
          CHECK(r.number("n", 0, 0, 9) == 2.5);
          CHECK(r.text("t") == "x");
          CHECK(r.boolean("b", false));
          CHECK(r.seconds("s", 0) == 60);
          CHECK(r.bytes("y", 0) == 1024);
          CHECK(r.choice("c", "one", {"one", "two"}) == "two");
          CHECK(r.texts("l") == std::vector<std::string>{"p", "q"});
          CHECK(r.texts("t") == std::vector<std::string>{"x"});
          CHECK(r.integers("k", 0, 9) == std::vector<std::int64_t>{1, 2});
          CHECK(r.integers("i", 0, 9) == std::vector<std::int64_t>{3});
          CHECK(r.integer("none", 7, 0, 9) == 7);
          CHECK(r.text("none", "d") == "d");
          CHECK(r.texts("none").empty());
          r.finish();
        }) == "");
}

TEST_CASE("wrong types are named with what stands there, and the default is returned") {
  CHECK(
      messages(
          R"({"i": "3", "n": [], "t": {}, "b": 1, "s": "soon", "y": null, "c": "tow", "l": 7.5, "k": [true]})",
          [](MapReader& r) {
            CHECK(r.integer("i", 5, 0, 9) == 5);
            CHECK(r.number("n", 5, 0, 9) == 5);
            CHECK(r.text("t", "d") == "d");
            CHECK(r.boolean("b", true));
            CHECK(r.seconds("s", 5) == 5);
            CHECK(r.bytes("y", 5) == 5);
            CHECK(r.choice("c", "one", {"one", "two"}) == "one");
            CHECK(r.integers("l", 0, 9).empty());
            CHECK(r.integers("k", 0, 9).empty());
          }) ==
      "thing: 'i' must be a whole number, not the text '3'\n"
      "thing: 'n' must be a number, not a list\n"
      "thing: 't' must be a text, not a map\n"
      "thing: 'b' must be true or false, not the number 1\n"
      "thing: 's' must be a duration such as 90s, 5m or 1h30m, not the text 'soon'\n"
      "thing: 'y' must be a size such as 512MiB or 8GB, not nothing\n"
      "thing: 'c' must be one of one, two, not the text 'tow' (did you mean 'two'?)\n"
      "thing: 'l' must be a whole number, not the number 7.5\n"
      "thing: an item of 'k' must be a whole number, not the text 'true'\n");
}

TEST_CASE("values out of range are named with the limit") {
  CHECK(messages(R"({"a": -1, "b": 10, "c": 1e30, "d": -1e30, "e": -0.5, "f": 9.5, "g": "20000d",
                     "h": 99999999999999999999, "i": -3})",
                 [](MapReader& r) {
                   for (const char* key : {"a", "b", "c", "d"}) r.integer(key, 5, 0, 9);
                   for (const char* key : {"e", "f"}) r.number(key, 5, 0, 9);
                   r.seconds("g", 5);
                   r.integer("h", 0, 0, INT64_MAX);
                   r.bytes("i", 0);
                 }) ==
        "thing: 'a' must be at least 0, not -1\n"
        "thing: 'b' must be at most 9, not 10\n"
        "thing: 'c' must be at most 9, not 1e30\n"
        "thing: 'd' must be at least 0, not -1e30\n"
        "thing: 'e' must be at least 0, not -0.5\n"
        "thing: 'f' must be at most 9, not 9.5\n"
        "thing: 'g' must be at most 10000d, not 20000d\n"
        "thing: 'h' must be at most 9223372036854775807, not 99999999999999999999\n"
        "thing: 'i' must be a size such as 512MiB or 8GB, not the number -3\n");
}

TEST_CASE("unknown, doubled and missing keys are reported, with what was meant") {
  CHECK(messages(R"({"size": 1, "siez": 2, "size": 3, "color": 4})",
                 [](MapReader& r) {
                   r.integer("size", 0, 0, 9);
                   CHECK_FALSE(r.require("weight"));
                   r.finish();
                 }) ==
        "thing: missing key 'weight'\n"
        "thing: unknown key 'siez' (did you mean 'size'?)\n"
        "thing: key 'size' is given twice (first on line 1)\n"
        "thing: unknown key 'color'; known keys: size, weight\n");
}

TEST_CASE("what is no map is said once, and nothing is missing in it") {
  CHECK(messages("[1]", [](MapReader& r) {
          CHECK_FALSE(r.require("weight"));
          CHECK_FALSE(r.is_map());
          r.finish();
        }) == "thing must be a map (keys with values), not a list\n");
}

TEST_CASE("the keys that a reader looks for can be listed") {
  const Document document = parse_json("f.json", "{}");
  Diagnostics diagnostics(document);
  MapReader reader(document.root, "thing", diagnostics);
  reader.text("b");
  reader.integer("a", 0, 0, 1);
  reader.text("b");
  reader.finish();
  CHECK(diagnostics.accepted_keys().at("thing") == std::vector<std::string>{"b", "a"});
}

}  // namespace saturn::map_reader_test
