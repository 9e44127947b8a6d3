// SPDX-License-Identifier: Apache-2.0
#include "plan/explain/explain.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <random>

#include "base/error.h"
#include "plan/explain/critical_path.h"
#include "plan/fixtures.h"
#include "plan/solve.h"

namespace saturn::explain_test {
namespace {

using How = Consequence::How;
using Why = IdleSpan::Why;
using test::node;
using test::task;

/// Whether something is proven must not depend on how fast the build and the machine are.
constexpr Seconds kNoLimit{3600};

Plan plan_of(std::vector<Assignment> lines) {
  Plan plan;
  plan.assignments = std::move(lines);
  for (const Assignment& line : plan.assignments)
    plan.makespan_seconds = std::max(plan.makespan_seconds, line.end_seconds());
  return plan;
}

/// Two nodes; "gang" waits for "long" while device 1 of n0 is idle.
Problem problem() {
  Problem result;
  result.nodes = {node("n0", 2), node("n1", 1, 1.0)};
  result.tasks = {task("long", {{1, 10.0}, {2, 6.0}}), task("short", {{1, 4.0}}), task("gang", {{2, 5.0}}),
                  task("other", {{1, 3.0}})};
  return result;
}

Plan plan() {
  return plan_of({{"long", "ddp", {}, "n0", {0}, 0, 10},
                  {"short", "ddp", {}, "n0", {1}, 0, 4},
                  {"gang", "ddp", {}, "n0", {0, 1}, 10, 5},
                  {"other", "ddp", {}, "n1", {0}, 1, 3}});
}

const ConfigurationConsequence& configuration(const TaskExplanation& task, int devices) {
  for (const ConfigurationConsequence& it : task.configurations)
    if (it.configuration.devices == devices) return it;
  FAIL("no configuration on ", devices);
  return task.configurations.front();
}

TaskExplanation explained(const Problem& problem, const Plan& plan, const std::string& task) {
  return explain(problem, plan, {.task = task, .time_limit = kNoLimit}).tasks.at(0);
}

TEST_CASE("The critical chain is what delays the end; the others have slack") {
  const CriticalPath path = critical_path(plan());
  CHECK(path.chain == std::vector<size_t>{0, 2});
  CHECK(path.critical(0));
  CHECK(path.critical(2));
  CHECK(path.slack_seconds[1] == doctest::Approx(6));   // until the gang starts
  CHECK(path.slack_seconds[3] == doctest::Approx(11));  // until the end
  CHECK(path.waits_for[2] == std::vector<size_t>{0});
  CHECK(path.waits_for[1].empty());
}

TEST_CASE("A line may be delayed by its slack and no more: seen by delaying it") {
  std::mt19937_64 random(5);
  const auto up_to = [&](int most) { return 1 + static_cast<int>(random() % static_cast<unsigned>(most)); };
  for (int i = 0; i < 100; ++i) {
    Problem problem;
    problem.nodes = {node("n0", up_to(3)), node("n1", up_to(2))};
    for (int t = 0, count = up_to(8); t < count; ++t)
      problem.tasks.push_back(
          task("t" + std::to_string(t), {{1, 0.25 * up_to(20)}, {2, 0.25 * up_to(20)}, {3, 1.0 * up_to(3)}}));
    const Plan plan = solve(problem, {.time_limit = Seconds(0)});
    const CriticalPath path = critical_path(plan);
    for (size_t line = 0; line < plan.assignments.size(); ++line) {
      const auto end_when_longer = [&](double by) {
        Problem slower = problem;
        for (ProblemTask& each : slower.tasks)
          if (each.name == plan.assignments[line].task)
            for (Configuration& way : each.configurations) way.duration_seconds += by;
        Plan delayed = plan;
        complete(slower, delayed);
        return delayed.makespan_seconds;
      };
      CAPTURE(i);
      CAPTURE(line);
      CHECK(end_when_longer(path.slack_seconds[line]) == doctest::Approx(plan.makespan_seconds));
      CHECK(end_when_longer(path.slack_seconds[line] + 1) == doctest::Approx(plan.makespan_seconds + 1));
    }
    REQUIRE_FALSE(path.chain.empty());
    CHECK(plan.assignments[path.chain.back()].end_seconds() == doctest::Approx(plan.makespan_seconds));
    for (const size_t line : path.chain) CHECK(path.critical(line));
  }
}

TEST_CASE("Idle devices are told with the reason") {
  const std::vector<IdleSpan> spans = idle_spans(problem(), plan());
  REQUIRE(spans.size() == 2);
  CHECK(spans[0].node == "n0");
  CHECK(spans[0].devices == std::vector<int>{1});
  CHECK(spans[0].from_seconds == 4);
  CHECK(spans[0].to_seconds == 10);
  CHECK(spans[0].why == Why::kGang);
  CHECK(spans[0].task == "gang");
  CHECK(spans[0].waiting_for == std::vector<std::string>{"long"});
  CHECK(spans[1].node == "n1");
  CHECK(spans[1].from_seconds == 4);
  CHECK(spans[1].why == Why::kNoneFits);  // the gang is too wide for it
}

TEST_CASE("Every reason to be idle") {
  const auto reason = [](const Problem& problem, const Plan& plan) {
    const std::vector<IdleSpan> spans = idle_spans(problem, plan);
    REQUIRE(spans.size() == 1);
    return spans.front();
  };
  Problem two;
  two.nodes = {node("n0", 1), node("n1", 1)};
  two.tasks = {task("a", {{1, 2.0}}), task("b", {{1, 2.0}})};
  Plan both = plan_of({{"a", "ddp", {}, "n0", {0}, 0, 2}, {"b", "ddp", {}, "n0", {0}, 2, 2}});
  CHECK(reason(two, both).why == Why::kNoGain);
  both.assignments[1] = {"b", "ddp", {}, "n1", {0}, 0, 4};
  CHECK(reason(two, plan_of(both.assignments)).why == Why::kNothingLeft);
  both.assignments = {{"a", "ddp", {}, "n0", {0}, 0, 2}, {"b", "ddp", {}, "n1", {0}, 1, 1}};
  CHECK(reason(two, plan_of(both.assignments)).why == Why::kLate);
  both.assignments[1].pinned = PinnedParts::whole();
  CHECK(reason(two, plan_of(both.assignments)).why == Why::kPinned);
  Problem released;
  released.nodes = {node("n0", 2)};
  released.nodes[0].free_at_seconds = {0, 3};
  released.tasks = {task("gang", {{2, 1.0}})};
  const IdleSpan span = reason(released, plan_of({{"gang", "ddp", {}, "n0", {0, 1}, 3, 1}}));
  CHECK(span.why == Why::kGang);
  CHECK(span.waiting_for.empty());
  CHECK(idle_spans(released, plan_of({})).empty());
}

TEST_CASE("Devices of a node that are idle alike are one span, and all idle time is counted") {
  Problem problem;
  problem.nodes = {node("n0", 4)};
  problem.tasks = {task("a", {{1, 8.0}}), task("b", {{1, 4.0}})};
  const Explanation all =
      explain(problem, plan_of({{"a", "ddp", {}, "n0", {0}, 0, 8}, {"b", "ddp", {}, "n0", {1}, 0, 4}}), {});
  REQUIRE(all.idle.size() == 2);
  CHECK(all.idle[0].devices == std::vector<int>{2, 3});
  CHECK(all.idle[1].devices == std::vector<int>{1});
  CHECK(all.idle_device_seconds == 2 * 8 + 4);
  CHECK(all.device_seconds == 32);
}

TEST_CASE("With another configuration all else keeps its order") {
  const std::optional<Plan> wide = with_configuration(problem(), plan(), "long", 1);
  REQUIRE(wide.has_value());
  CHECK(test::text_of(check_plan(problem(), *wide)) == "");
  CHECK(wide->makespan_seconds == 15);  // long 0-6 on both, short 6-10, gang 10-15
  CHECK_FALSE(with_configuration(problem(), plan(), "nobody", 0).has_value());
}

TEST_CASE("A configuration that fits only on another node is put there") {
  Problem problem;
  problem.nodes = {node("n0", 1), node("n1", 2)};
  problem.tasks = {task("a", {{1, 4.0}, {2, 3.0}}), task("b", {{1, 1.0}})};
  const Plan planned = plan_of({{"a", "ddp", {}, "n0", {0}, 0, 4}, {"b", "ddp", {}, "n1", {0}, 0, 1}});
  const std::optional<Plan> moved = with_configuration(problem, planned, "a", 1);
  REQUIRE(moved.has_value());
  CHECK(moved->assignments[0].node == "n1");
  CHECK(moved->makespan_seconds == 4);
}

TEST_CASE("What other configurations and nodes would make of the plan is solved for") {
  const TaskExplanation it = explained(problem(), plan(), "long");
  CHECK(it.critical);
  CHECK(configuration(it, 1).planned);
  CHECK(configuration(it, 1).consequence.how == How::kPlanned);
  const Consequence& wide = configuration(it, 2).consequence;
  CHECK(wide.how == How::kSolved);
  CHECK(wide.makespan_seconds == 11);  // long 0-6, gang 6-11; short and other on n1 1-8
  CHECK(wide.lower_bound_seconds == 11);
  REQUIRE(it.nodes.size() == 2);
  CHECK(it.nodes[0].planned);
  CHECK(it.nodes[1].node == "n1");
  CHECK(it.nodes[1].consequence.makespan_seconds == 11);  // 1-11 there, the others on n0 until 9
  CHECK_FALSE(it.without_pin.has_value());
}

TEST_CASE("What every alternative costs is what brute force finds") {
  std::mt19937_64 random(11);
  const auto up_to = [&](int most) { return 1 + static_cast<int>(random() % static_cast<unsigned>(most)); };
  for (int i = 0; i < 60; ++i) {
    Problem problem;
    problem.nodes = {node("n0", up_to(3)), node("n1", up_to(2))};
    for (int t = 0, count = up_to(4); t < count; ++t)
      problem.tasks.push_back(
          task("t" + std::to_string(t), {{1, 0.25 * up_to(20)}, {2, 0.25 * up_to(20)}, {3, 1.0 * up_to(3)}}));
    const Plan plan = solve(problem, {.time_limit = kNoLimit});
    const TaskExplanation it = explained(problem, plan, "t0");
    for (size_t c = 0; c < it.configurations.size(); ++c) {
      const Consequence& consequence = it.configurations[c].consequence;
      if (consequence.how == How::kImpossible) continue;
      Problem forced = problem;
      forced.tasks[0].pin = Pin{static_cast<int>(c), {}, {}, {}};
      CAPTURE(i);
      CAPTURE(c);
      CHECK(consequence.makespan_seconds == doctest::Approx(test::least_makespan(forced)));
      CHECK(consequence.lower_bound_seconds == doctest::Approx(consequence.makespan_seconds));
    }
  }
}

TEST_CASE("A configuration that fits on no node says so") {
  Problem problem;
  problem.nodes = {node("n0", 1)};
  problem.tasks = {task("a", {{1, 4.0}, {2, 3.0}})};
  const TaskExplanation it = explained(problem, plan_of({{"a", "ddp", {}, "n0", {0}, 0, 4}}), "a");
  const Consequence& wide = configuration(it, 2).consequence;
  CHECK(wide.how == How::kImpossible);
  CHECK(wide.why_not.find("task 'a' fits on no node: it needs 2 x cpu") != std::string::npos);
}

TEST_CASE("Dominated configurations are told, and by which") {
  Problem problem;
  problem.nodes = {node("n0", 2)};
  problem.tasks = {task("a", {{1, 4.0}, {2, 5.0}, {1, 4.0}})};
  problem.tasks[0].configurations[2].parallelism = "fsdp";
  const TaskExplanation it = explained(problem, plan_of({{"a", "ddp", {}, "n0", {0}, 0, 4}}), "a");
  CHECK(it.configurations[0].dominated_by == "");
  CHECK(it.configurations[1].dominated_by == "ddp on 1");
  CHECK(it.configurations[2].dominated_by == "ddp on 1");
}

TEST_CASE("A pinned task is explained with and without its pin") {
  Problem pinned = problem();
  pinned.tasks[0].pin = Pin{0, 0, {0}, {}};
  Plan planned = plan();
  planned.assignments[0].pinned = PinnedParts::whole();
  const TaskExplanation it = explained(pinned, planned, "long");
  REQUIRE(it.without_pin.has_value());
  CHECK(it.without_pin->makespan_seconds == 11);
  CHECK(configuration(it, 2).consequence.makespan_seconds == 11);
}

TEST_CASE("More devices, or one more node, are tried") {
  Problem problem;
  problem.nodes = {node("n0", 1), node("n1", 1)};
  problem.tasks = {task("a", {{1, 4.0}}), task("b", {{1, 4.0}}), task("c", {{1, 4.0}})};
  const Plan plan = solve(problem, {.time_limit = kNoLimit});
  const Explanation all = explain(problem, plan, {.time_limit = kNoLimit});
  REQUIRE(all.what_ifs.size() == 2);  // the two nodes are alike
  CHECK(all.what_ifs[0].what == "one more device on every node");
  CHECK(all.what_ifs[1].what == "one more node like 'n0' (1 x cpu)");
  for (const WhatIf& what_if : all.what_ifs) {
    CHECK(what_if.consequence.makespan_seconds == 4);
    CHECK(what_if.consequence.lower_bound_seconds == 4);
  }
  CHECK(all.tasks.size() == 3);
  CHECK(all.makespan_seconds == 8);
}

TEST_CASE("Of many configurations the consequences are re-timed, of very many left open") {
  Problem problem;
  problem.nodes = {node("n0", 2)};
  for (int t = 0; t < 70; ++t) problem.tasks.push_back(task("t" + std::to_string(t), {{1, 4.0}, {2, 3.0}}));
  const Plan plan = solve(problem, {.time_limit = Seconds(0)});
  const Explanation some = explain(problem, plan, {.time_limit = Seconds(0)});
  for (const TaskExplanation& it : some.tasks)
    for (const ConfigurationConsequence& each : it.configurations)
      CHECK((each.planned || each.consequence.how == How::kRetimed));
  for (int t = 70; t < 1010; ++t)
    problem.tasks.push_back(task("t" + std::to_string(t), {{1, 4.0}, {2, 3.0}}));
  const Explanation many =
      explain(problem, solve(problem, {.time_limit = Seconds(0)}), {.time_limit = Seconds(0)});
  for (const TaskExplanation& it : many.tasks)
    for (const ConfigurationConsequence& each : it.configurations)
      CHECK((each.planned || each.consequence.how == How::kImpossible));
}

TEST_CASE("A task that is not in the plan cannot be explained") {
  std::string text;
  try {
    (void)explain(problem(), plan(), {.task = "shrt"});
  } catch (const InputError& error) {
    text = error.what();
  }
  CHECK(text == "error: there is no task 'shrt' to explain (did you mean 'short'?)");
}

TEST_CASE("The explanation as JSON") {
  const nlohmann::ordered_json json = to_json(explain(problem(), plan(), {.time_limit = kNoLimit}));
  CHECK(json["schema"] == "saturn.explanation/1");
  CHECK(json["critical_chain"].dump() == R"(["long","gang"])");
  CHECK(json["tasks"][0]["critical"] == true);
  CHECK(json["tasks"][0]["configurations"][1]["how"] == "solved");
  CHECK(json["tasks"][0]["configurations"][1]["makespan_seconds"] == 11);
  CHECK(json["idle"][0]["why"] == "gang");
  CHECK(json["idle"][0]["waiting_for"].dump() == R"(["long"])");
  CHECK(json["what_ifs"][0]["what"] == "one more device on every node");
}

}  // namespace
}  // namespace saturn::explain_test
