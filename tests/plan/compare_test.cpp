// SPDX-License-Identifier: Apache-2.0
#include "plan/explain/compare.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

namespace saturn::compare_test {
namespace {

Plan plan_of(std::vector<Assignment> assignments) {
  Plan plan;
  plan.assignments = std::move(assignments);
  plan.lower_bound_seconds = 6;
  return plan;
}

TEST_CASE("Two plans are compared task by task") {
  const Plan before = plan_of({{"same", "ddp", {}, "n0", {0}, 0, 4},
                               {"wider", "ddp", {}, "n0", {1}, 0, 8},
                               {"elsewhere", "ddp", {}, "n0", {0}, 4, 4},
                               {"later", "ddp", {}, "n1", {0}, 0, 2},
                               {"gone", "ddp", {}, "n1", {1}, 0, 1}});
  const Plan after = plan_of({{"same", "ddp", {}, "n0", {0}, 0.0004, 4},
                              {"wider", "ddp", {{"bucket_mb", "25"}}, "n0", {1, 2}, 0, 5},
                              {"elsewhere", "ddp", {}, "n1", {0}, 4, 4},
                              {"later", "ddp", {}, "n1", {0}, 1, 2},
                              {"new", "ddp", {}, "n1", {1}, 0, 1}});
  const PlanComparison found = compare(before, after);
  CHECK(found.unchanged == 1);
  REQUIRE(found.differences.size() == 5);
  const TaskDifference& wider = found.differences[0];
  CHECK((wider.configuration && wider.devices && wider.duration));
  CHECK_FALSE((wider.node || wider.start));
  const TaskDifference& elsewhere = found.differences[1];
  CHECK(elsewhere.node);
  CHECK_FALSE((elsewhere.configuration || elsewhere.devices || elsewhere.start || elsewhere.duration));
  CHECK(found.differences[2].start);
  CHECK_FALSE(found.differences[2].moved());
  CHECK_FALSE(found.differences[3].before.has_value());
  CHECK_FALSE(found.differences[4].after.has_value());
  CHECK(found.before.makespan_seconds == 8);
  CHECK(found.before.device_seconds == 4 + 8 + 4 + 2 + 1);
  CHECK(found.after.device_seconds == 4 + 10 + 4 + 2 + 1);
  CHECK(found.before.gap == 0.25);
}

TEST_CASE("The comparison as JSON names what differs") {
  const nlohmann::ordered_json json = to_json(
      compare(plan_of({{"a", "ddp", {}, "n0", {0}, 0, 4}}), plan_of({{"a", "ddp", {}, "n1", {0}, 1, 4}})));
  CHECK(json["schema"] == "saturn.comparison/1");
  CHECK(json["tasks"][0]["differs"].dump() == R"(["node","start"])");
  CHECK(json["tasks"][0]["before"]["node"] == "n0");
  CHECK(json["tasks"][0]["after"]["start_seconds"] == 1);
  CHECK(json["after"]["makespan_seconds"] == 5);
  CHECK(json["unchanged"] == 0);
}

TEST_CASE("A task that is new or gone has no other side in the JSON") {
  const nlohmann::ordered_json json =
      to_json(compare(plan_of({{"a", "ddp", {}, "n0", {0}, 0, 4}}), plan_of({})));
  CHECK(json["tasks"][0]["after"].is_null());
  CHECK(json["tasks"][0]["differs"].empty());
}

}  // namespace
}  // namespace saturn::compare_test
