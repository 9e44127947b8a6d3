// SPDX-License-Identifier: Apache-2.0
#include "workload/glob.h"

#include <doctest/doctest.h>

#include "base/file.h"
#include "temporary_directory.h"

namespace saturn::glob_test {

namespace {

struct Tree {
  Tree() {
    for (const char* name :
         {"b.txt", "a.txt", "c.md", ".hidden.txt", "sub/d.txt", "sub/deep/e.txt", ".git/f.txt"}) {
      make_directories((directory / name).parent_path());
      write_file_atomically(directory / name, "x");
    }
    std::filesystem::create_directory_symlink(directory.path(), directory / "sub/loop");
  }
  /// What a pattern matches, relative, joined by blanks.
  std::string match(const std::string& pattern) const {
    std::string all;
    for (const auto& path : expand_glob(directory / pattern))
      all += (all.empty() ? "" : " ") + path.lexically_relative(directory.path()).string();
    return all;
  }
  test::TemporaryDirectory directory;
};

}  // namespace

TEST_CASE("a glob matches within names, sorted") {
  const Tree tree;
  CHECK(tree.match("*.txt") == "a.txt b.txt");
  CHECK(tree.match("?.[mt]*") == "a.txt b.txt c.md");
  CHECK(tree.match("*/d.txt") == "sub/d.txt");
  CHECK(tree.match("s*/deep/*") == "sub/deep/e.txt");
}

TEST_CASE("two stars match any directories but hidden ones and links") {
  const Tree tree;
  CHECK(tree.match("**/*.txt") == "a.txt b.txt sub/d.txt sub/deep/e.txt");
  CHECK(tree.match("**") == "a.txt b.txt c.md sub/d.txt sub/deep/e.txt");
  CHECK(tree.match("sub/**/e.txt") == "sub/deep/e.txt");
  CHECK(tree.match("**/**/**/*.txt") == "a.txt b.txt sub/d.txt sub/deep/e.txt");
}

TEST_CASE("hidden names match only a pattern that begins with a dot") {
  const Tree tree;
  CHECK(tree.match(".*.txt") == ".hidden.txt");
  CHECK(tree.match(".git/*") == ".git/f.txt");
}

TEST_CASE("directories and what is missing match nothing") {
  const Tree tree;
  CHECK(tree.match("su*") == "");
  CHECK(tree.match("none/*") == "");
  CHECK(tree.match("a.txt/*") == "");
}

}  // namespace saturn::glob_test
