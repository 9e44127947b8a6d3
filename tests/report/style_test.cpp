// SPDX-License-Identifier: Apache-2.0
#include "report/style.h"

#include <cstdlib>
#include <doctest/doctest.h>
#include <fcntl.h>

#include "base/file.h"
#include "report/table.h"

namespace saturn::style_test {

TEST_CASE("texts are cut at whole characters") {
  CHECK(cut("abcdef", 6) == "abcdef");
  CHECK(cut("abcdef", 4) == "abc…");
  CHECK(cut("äöüß", 3) == "äö…");
  CHECK(cut("äöüß", 4) == "äöüß");
  CHECK(cut("ab", 1) == "…");
  CHECK(cut("ab", 0) == "");
  CHECK(columns_of("± 2 %") == 5);
}

TEST_CASE("control characters cannot reach the terminal") {
  CHECK(one_line("a\nb\x1b[31mc\td") == "a b [31mc d");
}

TEST_CASE("what is no terminal gets no colour; COLUMNS sets the width") {
  const FileDescriptor null(::open("/dev/null", O_WRONLY));
  ::unsetenv("COLUMNS");
  CHECK(style_of(null.get()) == Style{120, false});
  CHECK(!is_terminal(null.get()));
  ::setenv("COLUMNS", "72", 1);
  CHECK(style_of(null.get()) == Style{72, false});
  ::setenv("COLUMNS", "3", 1);
  CHECK(style_of(null.get()) == Style{40, false});
  ::unsetenv("COLUMNS");
}

TEST_CASE("LINES sets the height") {
  const FileDescriptor null(::open("/dev/null", O_WRONLY));
  ::unsetenv("LINES");
  CHECK(height_of(null.get()) == 24);
  ::setenv("LINES", "50", 1);
  CHECK(height_of(null.get()) == 50);
  ::setenv("LINES", "0", 1);
  CHECK(height_of(null.get()) == 24);
  ::unsetenv("LINES");
}

TEST_CASE("NO_COLOR turns the colours of a terminal off") {
  const FileDescriptor controller(::posix_openpt(O_RDWR | O_NOCTTY));
  REQUIRE(controller);
  REQUIRE(::grantpt(controller.get()) == 0);
  REQUIRE(::unlockpt(controller.get()) == 0);
  const FileDescriptor terminal(::open(::ptsname(controller.get()), O_RDWR | O_NOCTTY));
  REQUIRE(terminal);
  ::unsetenv("NO_COLOR");
  ::setenv("TERM", "xterm", 1);
  CHECK(is_terminal(terminal.get()));
  CHECK(style_of(terminal.get()).colour);
  ::setenv("NO_COLOR", "1", 1);
  CHECK(is_terminal(terminal.get()));
  CHECK(!style_of(terminal.get()).colour);
  ::unsetenv("NO_COLOR");
  ::setenv("TERM", "dumb", 1);
  CHECK(!is_terminal(terminal.get()));
  CHECK(!style_of(terminal.get()).colour);
}

TEST_CASE("a log is shown line by line") {
  CHECK(indented("a\n\nb\tc\n") == "  | a\n  | \n  | b c\n");
  CHECK(indented("") == "");
}

TEST_CASE("a table that is too wide has its widest texts cut, numbers stay") {
  Table table({{"name"}, {"count", Table::Align::kRight}, {"what"}});
  table.add({"a very long name", "1234567890", "a long note"});
  CHECK(table.to_text({34, false}) ==
        "name             count  what\n"
        "a very lo…  1234567890  a long no…\n");
  CHECK(table.to_text({20, false}) ==
        "name           coun…\n"
        "a very …  123456789…\n");
}

TEST_CASE("a table aligns its columns and leaves out empty ones") {
  Table table({{"name"}, {"count", Table::Align::kRight}, {"nothing"}, {"note"}});
  table.add({"ä", "7", "", "x"});
  table.add({"longer", "12", "", ""});
  CHECK(table.to_text({}) ==
        "name    count  note\n"
        "ä           7  x\n"
        "longer     12\n");
}

}  // namespace saturn::style_test
