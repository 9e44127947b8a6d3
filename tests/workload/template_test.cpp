// SPDX-License-Identifier: Apache-2.0
#include "workload/template.h"

#include <doctest/doctest.h>

namespace saturn::template_test {

namespace {

Rendered field(const std::string& path) {
  return path == "bad" ? Rendered{"", "no 'bad'"} : Rendered{"<" + path + ">", ""};
}

}  // namespace

TEST_CASE("fields of a template are replaced, the rest stays") {
  CHECK(render_template("a-{x.y}{z}-b", field).text == "a-<x.y><z>-b");
  CHECK(render_template("plain", field).text == "plain");
  CHECK(render_template("", field).text.empty());
}

TEST_CASE("doubled braces are braces") {
  CHECK(render_template("{{a}} {b} }}{{", field).text == "{a} <b> }{");
}

TEST_CASE("an unknown field and a brace without its other are problems") {
  CHECK(render_template("a{bad}", field).problem == "no 'bad'");
  CHECK(render_template("a{x", field).problem == "'a{x' has a '{' without its '}'");
  CHECK(render_template("a}x", field).problem == "'a}x' has a '}' without its '{'");
}

TEST_CASE("names are fit for directories") {
  CHECK(name_problem("gpt-2_a.B+c=3e-4").empty());
  CHECK(name_problem(std::string(100, 'x')).empty());
  CHECK(name_problem("") == "must not be empty");
  CHECK(name_problem(std::string(101, 'x')) ==
        "has 101 characters, more than 100: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'");
  CHECK(name_problem(".hidden") == "must not begin with a dot: '.hidden'");
  CHECK(name_problem("a/b") ==
        "'a/b' has '/' in it (it names a directory: letters, digits and . _ + = - only)");
  CHECK(name_problem("a\nb") ==
        "has a character that is not allowed at position 2 (it names a directory: letters, digits and . _ + "
        "= - only)");
}

}  // namespace saturn::template_test
