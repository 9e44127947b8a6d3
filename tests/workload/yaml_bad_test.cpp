// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "workload/yaml.h"

namespace saturn::yaml_bad_test {

namespace {

void check_error(const std::string& text, const std::string& message) {
  CAPTURE(text.substr(0, 200));
  CHECK_THROWS_WITH_AS(parse_yaml("f.yaml", text), message.c_str(), InputError);
}

/// Each line ten times the one before: twelve lines stand for 10^12 values.
std::string bomb() {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string name = "a" + std::to_string(i), before = "*a" + std::to_string(i - 1);
    text += name + ": &" + name + " [" + before;
    for (int k = 1; k < 10; ++k) text += " , " + before;
    text += "]\n";
  }
  return text;
}

}  // namespace

TEST_CASE("YAML syntax errors have their place") {
  check_error("a: [1, 2\n", "f.yaml:2:1: error: not valid YAML: end of sequence flow not found");
  check_error("a: {b: 1",
              "f.yaml:1:1: error: not valid YAML: end of map flow not found\n"
              "     1 | a: {b: 1\n"
              "       | ^");
  check_error("a: b: c\n",
              "f.yaml:1:5: error: not valid YAML: illegal map value\n"
              "     1 | a: b: c\n"
              "       |     ^");
  check_error("a: *nope\n",
              "f.yaml:1:4: error: not valid YAML: the referenced anchor is not defined\n"
              "     1 | a: *nope\n"
              "       |    ^");
}

TEST_CASE("a tab in the indentation is named") {
  check_error("a:\n\tb: 1\n",
              "f.yaml:2:3: error: not valid YAML: a tab cannot indent; use spaces\n"
              "     2 | \tb: 1\n"
              "       | \t ^");
}

TEST_CASE("a quote that is never closed is found at its beginning") {
  check_error("a: \"x\nb: 1\n",
              "f.yaml:1:4: error: this quote is never closed\n"
              "     1 | a: \"x\n"
              "       |    ^");
  check_error("a: 'x\n",
              "f.yaml:1:4: error: this quote is never closed\n"
              "     1 | a: 'x\n"
              "       |    ^");
}

TEST_CASE("a line that continues nothing, and a second document") {
  check_error("- a\nb: 1\n",
              "f.yaml:2:1: error: not valid YAML: this does not continue what stands above it; check the "
              "indentation\n"
              "     2 | b: 1\n"
              "       | ^");
  check_error("a: 1\n---\nb: 1\n",
              "f.yaml:3:1: error: a second document begins here; one file holds one\n"
              "     3 | b: 1\n"
              "       | ^");
}

TEST_CASE("what YAML can say and a workload cannot is reported at once") {
  check_error("a: !foo 1\n? [1]\n: 2\n<<: 3\n",
              "f.yaml:1:4: error: the tag '!foo' has no meaning here\n"
              "     1 | a: !foo 1\n"
              "       |    ^\n"
              "f.yaml:2:3: error: a key must be a text, not a list\n"
              "     2 | ? [1]\n"
              "       |   ^\n"
              "f.yaml:4:5: error: '<<' takes a map or a list of maps, not the number 3\n"
              "     4 | <<: 3\n"
              "       |     ^");
}

TEST_CASE("a YAML bomb is refused where it grows") {
  check_error(bomb(),
              "f.yaml:6:16: error: the file grows beyond 32 MiB when this alias is expanded\n"
              "     6 | a5: &a5 [*a4 , *a4 , *a4 , *a4 , *a4 , *a4 , *a4 , *a4 , *a4 , *a4]\n"
              "       |                ^");
}

TEST_CASE("a long text behind many aliases is refused too") {
  std::string text = "a: &a " + std::string(1 << 20, 'x') + "\nb:\n";
  for (int i = 0; i < 40; ++i) text += "- *a\n";
  check_error(text,
              "f.yaml:33:3: error: the file grows beyond 32 MiB when this alias is expanded\n"
              "    33 | - *a\n"
              "       |   ^");
}

TEST_CASE("an alias inside its own anchor is refused") {
  check_error("a: &x [*x]\n",
              "f.yaml:1:8: error: this alias stands inside its own anchor\n"
              "     1 | a: &x [*x]\n"
              "       |        ^");
}

TEST_CASE("depth is limited, written out or by aliases") {
  check_error(std::string(100'000, '['), "f.yaml:1:33: error: nested deeper than 64 levels");
  check_error(std::string(100'000, '{'), "f.yaml:1:64: error: nested deeper than 64 levels");
  std::string dashes;
  for (int i = 0; i < 10'000; ++i) dashes += "- ";
  check_error(dashes, "f.yaml:1:129: error: nested deeper than 64 levels");
  std::string chain = "a0: &a0 [x]\n";
  for (int i = 1; i < 80; ++i)
    chain += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) + " ]\n";
  check_error(chain,
              "f.yaml:64:12: error: nested deeper than 64 levels\n"
              "    64 | a63: &a63 [*a62 ]\n"
              "       |            ^");
}

TEST_CASE("files that are no text are refused") {
  check_error(std::string("a: \0b", 5), "f.yaml: error: the file contains a zero byte: this is no text");
  check_error("a: 1\nb: x\xFF\n",
              "f.yaml:2:5: error: this is not UTF-8; save the file as UTF-8\n"
              "     2 | b: x\xFF\n"
              "       |     ^");
  check_error(std::string(9 << 20, 'a'), "f.yaml: error: the file is larger than 8 MiB: this is no workload");
}

}  // namespace saturn::yaml_bad_test
