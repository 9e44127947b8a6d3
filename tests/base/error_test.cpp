// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <cerrno>
#include <doctest/doctest.h>

namespace saturn::error_test {

TEST_CASE("a diagnostic shows its place, its line and a caret") {
  CHECK(to_text({"w.yaml", 12, 3, "unknown key", "  batchsize: 4"}) ==
        "w.yaml:12:3: error: unknown key\n"
        "    12 |   batchsize: 4\n"
        "       |   ^");
  CHECK(to_text({"w.yaml", 0, 0, "is empty", ""}) == "w.yaml: error: is empty");
  CHECK(to_text({"", 0, 0, "--slots is 0", ""}) == "error: --slots is 0");
}

TEST_CASE("the caret stays under its column behind tabs") {
  CHECK(to_text({"f", 1, 3, "m", "\tab"}) == "f:1:3: error: m\n     1 | \tab\n       | \t ^");
}

TEST_CASE("an input error says everything at once") {
  const InputError error({{"f", 1, 1, "one", ""}, {"f", 2, 1, "two", ""}});
  CHECK(std::string(error.what()) == "f:1:1: error: one\nf:2:1: error: two");
  CHECK(error.diagnostics().size() == 2);
}

TEST_CASE("a system error says operation, object, reason and advice") {
  CHECK(std::string(SystemError("open", "/x", "no such thing").what()) == "cannot open /x: no such thing");
  const SystemError error("write", "/y", ENOSPC, "free space");
  CHECK(std::string(error.what()) == "cannot write /y: No space left on device; free space");
  CHECK(error.errno_value() == ENOSPC);
}

TEST_CASE("the word that was meant is found when it is close") {
  const std::vector<std::string> keys{"batch_size", "name", "optimizer"};
  CHECK(closest("batchsize", keys) == "batch_size");
  CHECK(closest("optimiser", keys) == "optimizer");
  CHECK(closest("nmae", keys) == "name");
  CHECK(closest("lr", keys).empty());
  CHECK(closest("x", {}).empty());
  CHECK(did_you_mean("batchsize", keys) == " (did you mean 'batch_size'?)");
  CHECK(did_you_mean("lr", keys).empty());
}

}  // namespace saturn::error_test
