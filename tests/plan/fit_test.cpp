// SPDX-License-Identifier: Apache-2.0
#include "plan/methods/fit.h"

#include <doctest/doctest.h>

#include "plan/model/schedule.h"

namespace saturn::fit_test {
namespace {

const Deadline kLater = Deadline::in(Seconds(60));

TEST_CASE("A set that fills the node without a hole fits, in an order that does it") {
  const std::vector<FitItem> items{{1, 4, 2}, {2, 3, 1}, {1, 7, 1}};  // 3 devices, 8 + 6 + 7 = 21 = 3 * 7
  const FitResult result = fit_on_node(items, {0, 0, 0}, 7, 100000, kLater);
  REQUIRE(result.fit == Fit::kFits);
  Timeline timeline({0, 0, 0});
  Millis end = 0;
  for (const int item : result.order)
    end = std::max(end, timeline.place(items[static_cast<size_t>(item)].devices,
                                       items[static_cast<size_t>(item)].duration));
  CHECK(result.order.size() == 4);
  CHECK(end == 7);
}

TEST_CASE("What fits by device time alone may still not fit") {
  CHECK(fit_on_node({{2, 5, 2}}, {0, 0, 0}, 7, 100000, kLater).fit == Fit::kDoesNotFit);  // 20 of 21
  CHECK(fit_on_node({{1, 5, 3}, {1, 3, 2}}, {0, 0, 0}, 7, 100000, kLater).fit == Fit::kDoesNotFit);
}

TEST_CASE("Devices that are released later count from then on") {
  CHECK(fit_on_node({{2, 5, 1}}, {0, 3}, 8, 1000, kLater).fit == Fit::kFits);
  CHECK(fit_on_node({{2, 5, 1}}, {0, 3}, 7, 1000, kLater).fit == Fit::kDoesNotFit);
  CHECK(fit_on_node({{2, 5, 1}, {1, 3, 1}}, {0, 3}, 8, 1000, kLater).fit == Fit::kFits);
}

TEST_CASE("A gang wider than the node does not fit, and nothing always does") {
  CHECK(fit_on_node({{3, 1, 1}}, {0, 0}, 100, 1000, kLater).fit == Fit::kDoesNotFit);
  CHECK(fit_on_node({}, {0, 0}, 1, 1000, kLater).fit == Fit::kFits);
}

TEST_CASE("Without work left the answer is unknown, not a claim") {
  CHECK(fit_on_node({{1, 4, 2}, {2, 3, 1}, {1, 7, 1}}, {0, 0, 0}, 7, 0, kLater).fit == Fit::kUnknown);
}

TEST_CASE("A timeline gives a gang the devices that became free last") {
  Timeline timeline({0, 2, 5, 5});
  CHECK(timeline.start(2) == 2);
  CHECK(timeline.place(1, 4) == 4);  // on the device free at 0
  CHECK(timeline.free() == std::vector<Millis>{2, 4, 5, 5});
  CHECK(timeline.place(2, 10) == 14);  // starts at 4 on both that are free by then
  CHECK(timeline.free() == std::vector<Millis>{5, 5, 14, 14});
}

}  // namespace
}  // namespace saturn::fit_test
