// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"

#include <doctest/doctest.h>

namespace saturn::units_test {

TEST_CASE("sizes are read with decimal and binary units") {
  CHECK(parse_bytes("1048576") == 1048576);
  CHECK(parse_bytes("512MiB") == 536870912);
  CHECK(parse_bytes("2 GB") == 2'000'000'000);
  CHECK(parse_bytes("1.5KiB") == 1536);
  CHECK(parse_bytes("0") == 0);
  for (const char* text : {"", "x", "-1", "1 XB", "1MiB2", "1e30", "inf", "MiB", "1 MB x"})
    CHECK_FALSE(parse_bytes(text));
}

TEST_CASE("sizes are shown with three digits") {
  CHECK(to_text_bytes(17) == "17 B");
  CHECK(to_text_bytes(1536) == "1.5 KiB");
  CHECK(to_text_bytes(536870912) == "512 MiB");
}

TEST_CASE("durations are read, alone or in parts") {
  CHECK(parse_duration("90")->count() == 90);
  CHECK(parse_duration("90s")->count() == 90);
  CHECK(parse_duration("1.5h")->count() == 5400);
  CHECK(parse_duration("1h30m")->count() == 5400);
  CHECK(parse_duration("2d")->count() == 172800);
  CHECK(parse_duration("250ms")->count() == 0.25);
  for (const char* text : {"", "s", "-1s", "1x", "nan", "1 s x"}) CHECK_FALSE(parse_duration(text));
}

TEST_CASE("durations are shown as a person reads them") {
  CHECK(to_text_duration(Seconds(0.0123)) == "12.3 ms");
  CHECK(to_text_duration(Seconds(12.34)) == "12.3 s");
  CHECK(to_text_duration(Seconds(75)) == "1:15");
  CHECK(to_text_duration(Seconds(4000)) == "1:06:40");
  CHECK(to_text_duration(Seconds(-75)) == "-1:15");
}

}  // namespace saturn::units_test
