// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "base/error.h"
#include "plan/fixtures.h"
#include "plan/plan.h"
#include "schema_validator.h"

namespace saturn::plan_file_test {
namespace {

Plan sample() {
  Plan plan;
  plan.workload_file = "/w/sweep.yaml";
  plan.workload_hash = "11";
  plan.profile_hash = "22";
  plan.cluster_hash = "33";
  plan.method = "annealing";
  plan.bound_method = "window MILP";
  plan.bound_pins = "44";
  plan.assignments = {{"a", "ddp", {{"bucket_mb", "25"}}, "n0", {0, 1}, 0, 12.345, PinnedParts::whole()},
                      {"b \"quoted\"", "ddp", {}, "n0", {0}, 12.345, 1.5}};
  plan.makespan_seconds = 13.845;
  plan.lower_bound_seconds = 13.5;
  plan.gap = 0.025;
  plan.baseline_seconds = 20;
  return plan;
}

constexpr const char* kSample = R"({
  "schema": "saturn.plan/1",
  "workload_file": "/w/sweep.yaml",
  "workload_hash": "11",
  "profile_hash": "22",
  "cluster_hash": "33",
  "tasks": [
    {"task": "a", "parallelism": "ddp", "knobs": {"bucket_mb": "25"}, "node": "n0", "devices": [0, 1], "start_seconds": 0.0, "duration_seconds": 12.345, "pinned": true},
    {"task": "b \"quoted\"", "parallelism": "ddp", "knobs": {}, "node": "n0", "devices": [0], "start_seconds": 12.345, "duration_seconds": 1.5, "pinned": false}
  ],
  "makespan_seconds": 13.845,
  "device_seconds": 26.19,
  "mean_completion_seconds": 13.095,
  "lower_bound_seconds": 13.5,
  "objective": "makespan",
  "objective_value": 13.845,
  "objective_bound": 13.5,
  "gap": 0.025,
  "baseline_seconds": 20.0,
  "method": "annealing",
  "bound_method": "window MILP",
  "bound_pins": "44"
}
)";

std::string error_of(const std::string& text) {
  try {
    (void)parse_plan("plan.json", text);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST_CASE("A plan is written with one line per task") {
  CHECK(to_text(sample()) == kSample);
}

TEST_CASE("The JSON Schema says what is written, key by key") {
  const Document schema = read_json(SATURN_PLAN_SCHEMA);
  Plan all = sample();  // with what is left out else
  all.stopped = true;
  all.budget = {60, 120};
  all.assignments[0].beyond_budget = true;
  all.assignments[0].further = {{"n1", {0, 1}}};
  const Document plan = parse_json("plan.json", to_text(all));
  CHECK(test::validate(plan.root, schema.root).empty());
  CHECK(test::keys_of(plan.root) == test::keys_of(*schema.root.find("properties")));
  const Value& line = plan.root.find("tasks")->items.front();
  CHECK(test::keys_of(line) == test::keys_of(*schema.root.find("$defs")->find("line")->find("properties")));
  const Document bad =
      parse_json("plan.json", R"({"schema": "saturn.plan/1", "tasks": [{"task": "a"}], "gap": 2})");
  CHECK(test::validate(bad.root, schema.root).size() >= 2);
}

TEST_CASE("What was written is read back the same, with the place of each line") {
  const Plan plan = parse_plan("plan.json", kSample);
  CHECK(to_text(plan) == kSample);
  CHECK(plan.file == "plan.json");
  CHECK(plan.assignments[1].mark.line == 9);
  CHECK(plan.assignments[1].mark.column == 5);
  CHECK(plan.assignments[0].pinned.any());
}

TEST_CASE("That a signal ended the search is written only when it did") {
  Plan plan = sample();
  plan.stopped = true;
  const std::string text = to_text(plan);
  CHECK(text.find("  \"bound_pins\": \"44\",\n  \"stopped\": true\n}") != std::string::npos);
  CHECK(parse_plan("plan.json", text).stopped);
  CHECK(to_text(sample()).find("stopped") == std::string::npos);
}

TEST_CASE("Another objective is written with its value and bound, and read back") {
  Plan plan = sample();
  plan.objective = {Objective::Kind::kDeadline, 14};
  plan.objective_bound = 25;
  const std::string text = to_text(plan);
  CHECK(text.find("\"objective\": {\"deadline\": 14.0},\n  \"objective_value\": 26.19,\n  "
                  "\"objective_bound\": 25.0,") != std::string::npos);
  CHECK(to_text(parse_plan("plan.json", text)) == text);
  CHECK(meets_deadline(plan));
  plan.objective = {Objective::Kind::kMeanCompletion, 0};
  plan.objective_bound = 12;
  CHECK(to_text(plan).find("\"objective\": \"mean_completion\",\n  \"objective_value\": 13.095,") !=
        std::string::npos);
  CHECK(error_of(R"({"schema": "saturn.plan/1", "tasks": [], "objective": "speed"})") != "no error");
}

TEST_CASE("An edited line may leave out its times, knobs and pin") {
  const Plan plan = parse_plan(
      "plan.json",
      R"({"schema": "saturn.plan/1", "tasks": [{"task": "a", "parallelism": "ddp", "node": "n0", "devices": [1, 0]}]})");
  REQUIRE(plan.assignments.size() == 1);
  CHECK_FALSE(plan.assignments[0].start_known);
  CHECK_FALSE(plan.assignments[0].duration_known);
  CHECK(plan.assignments[0].devices == std::vector<int>{0, 1});
}

TEST_CASE("What is pinned of a line is read and written back") {
  const auto line = [](const std::string& pinned, const std::string& start) {
    return R"({"schema": "saturn.plan/1", "tasks": [{"task": "a", "parallelism": "ddp", "node": "n0", "devices": [1], )" +
           start + R"("pinned": )" + pinned + "}]}";
  };
  const std::vector<std::pair<std::string, PinnedParts>> cases{
      {"false", {}},
      {"true", PinnedParts::whole()},
      {"\"order\"", PinnedParts::but_for_start()},
      {"[\"configuration\"]", {.configuration = true}},
      {"[\"node\"]", {.node = true}},
      {"[\"devices\"]", {.node = true, .devices = true}},
      {"[\"configuration\", \"devices\"]", {.configuration = true, .node = true, .devices = true}}};
  for (const auto& [text, parts] : cases) {
    CAPTURE(text);
    const Plan plan = parse_plan("plan.json", line(text, "\"start_seconds\": 1, "));
    REQUIRE(plan.assignments.size() == 1);
    CHECK(plan.assignments[0].pinned == parts);
    CHECK(to_text(plan).find("\"pinned\": " + text + "}") != std::string::npos);
    CHECK(parse_plan("plan.json", to_text(plan)).assignments[0].pinned == parts);
  }
  CHECK(parse_plan("plan.json", line("true", "")).assignments[0].pinned == PinnedParts::but_for_start());
  const auto says = [&](const std::string& pinned, const std::string& message) {
    const std::string error = error_of(line(pinned, ""));
    CHECK(error.substr(0, error.find('\n')) == "plan.json:1:115: error: task 'a': 'pinned' " + message);
  };
  says("[\"node\", \"start\"]", "may list 'configuration', 'node' and 'devices', not 'start'");
  says("\"always\"",
       "must be true, false, 'order' or a list of 'configuration', 'node' and 'devices', not the "
       "text 'always'");
  says("{}", "must be true, false, 'order' or a list of 'configuration', 'node' and 'devices', not a map");
}

TEST_CASE("Everything wrong in an edited plan is said at once with its place") {
  CHECK(error_of("{\n"
                 "  \"schema\": \"saturn.profile/1\",\n"
                 "  \"tasks\": [\n"
                 "    {\"task\": \"a\", \"parallelism\": \"ddp\", \"nod\": \"n0\", \"devices\": [-1], "
                 "\"start_seconds\": \"soon\"},\n"
                 "    {\"task\": \"b\", \"parallelism\": \"ddp\", \"node\": \"n0\", \"knobs\": [1]}\n"
                 "  ],\n"
                 "  \"gap\": 2\n"
                 "}\n") ==
        R"(plan.json:2:13: error: 'schema' is 'saturn.profile/1', but a plan has 'saturn.plan/1'
     2 |   "schema": "saturn.profile/1",
       |             ^
plan.json:4:5: error: task 'a': missing key 'node'
     4 |     {"task": "a", "parallelism": "ddp", "nod": "n0", "devices": [-1], "start_seconds": "soon"},
       |     ^
plan.json:4:41: error: task 'a': unknown key 'nod' (did you mean 'node'?)
     4 |     {"task": "a", "parallelism": "ddp", "nod": "n0", "devices": [-1], "start_seconds": "soon"},
       |                                         ^
plan.json:4:66: error: task 'a': an item of 'devices' must be at least 0, not -1
     4 |     {"task": "a", "parallelism": "ddp", "nod": "n0", "devices": [-1], "start_seconds": "soon"},
       |                                                                  ^
plan.json:4:88: error: task 'a': 'start_seconds' must be a number, not the text 'soon'
     4 |     {"task": "a", "parallelism": "ddp", "nod": "n0", "devices": [-1], "start_seconds": "soon"},
       |                                                                                        ^
plan.json:5:5: error: task 'b': missing key 'devices'
     5 |     {"task": "b", "parallelism": "ddp", "node": "n0", "knobs": [1]}
       |     ^
plan.json:5:64: error: task 'b': 'knobs' must be a map, not a list
     5 |     {"task": "b", "parallelism": "ddp", "node": "n0", "knobs": [1]}
       |                                                                ^
plan.json:7:10: error: 'gap' must be at most 1, not 2
     7 |   "gap": 2
       |          ^)");
}

TEST_CASE("A truncated plan is said to be one") {
  CHECK(error_of("{\n  \"schema\": \"saturn.plan/1\",\n  \"tasks\": [") ==
        "plan.json:3:12: error: the JSON ends in the middle: the file is truncated\n"
        "     3 |   \"tasks\": [\n"
        "       |            ^");
}

}  // namespace
}  // namespace saturn::plan_file_test
