// SPDX-License-Identifier: Apache-2.0
#include "train/agreement.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "train/gang.h"

namespace saturn::agreement_test {

TEST_CASE("ranks agree on numbers, on a text and on the first error") {
  const auto body = [](Communicator& c) {
    const auto rank = static_cast<std::int64_t>(c.rank());
    const std::string long_text(10000, static_cast<char>('a' + rank));
    return fmt::format("{} {} {} {} '{}' '{}' '{}'", agree_on_max(c, rank), agree_on_max(c, 0.5 * c.rank()),
                       agree_on_sum(c, rank + 1), share_text(c, long_text, 1) == std::string(10000, 'b'),
                       share_text(c, "", 0), agree_on_error(c, ""),
                       agree_on_error(c, c.rank() == 0 ? "" : fmt::format("rank {} fell", c.rank())));
  };
  const std::string expected = "2 1 6 true '' '' 'rank 1 fell'";
  CHECK(run_as_processes(3, body) == std::vector<std::string>{expected, expected, expected});
}

}  // namespace saturn::agreement_test
