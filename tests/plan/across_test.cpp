// SPDX-License-Identifier: Apache-2.0
// Gangs across nodes: lines of plans, and what solves, pins and baselines make of them.
#include <algorithm>
#include <atomic>
#include <doctest/doctest.h>

#include "base/error.h"
#include "plan/baselines/baselines.h"
#include "plan/explain/compare.h"
#include "plan/explain/critical_path.h"
#include "plan/explain/explain.h"
#include "plan/fixtures.h"
#include "plan/pinned_lines.h"
#include "plan/solve.h"

namespace saturn::across_test {
namespace {

Configuration across(int nodes, int each, double seconds) {
  return {"ddp", {}, "cpu", nodes * each, seconds, nodes};
}

/// Two nodes of two devices; "a" runs across both alone, for 4 s.
Problem problem() {
  Problem result;
  result.nodes = {test::node("n0", 2), test::node("n1", 2)};
  result.tasks = {test::task("a", {}), test::task("b", {{1, 3.0}}), test::task("c", {{1, 5.0}, {2, 3.0}})};
  result.tasks[0].configurations = {across(2, 1, 4)};
  return result;
}

Assignment line(const std::string& task, const std::string& node, std::vector<int> devices, double start,
                double duration, std::vector<NodeDevices> further = {}) {
  Assignment result{task, "ddp", {}, node, std::move(devices), start, duration};
  result.further = std::move(further);
  return result;
}

/// Lines stand from line 10 on.
Plan plan_of(std::vector<Assignment> lines) {
  Plan plan;
  plan.file = "plan.json";
  plan.assignments = std::move(lines);
  int at = 10;
  for (Assignment& it : plan.assignments) {
    it.mark = {at++, 5};
    plan.makespan_seconds = std::max(plan.makespan_seconds, it.end_seconds());
  }
  return plan;
}

Plan good() {
  return plan_of(
      {line("a", "n0", {1}, 0, 4, {{"n1", {0}}}), line("b", "n0", {0}, 0, 3), line("c", "n1", {1}, 0, 5)});
}

std::string wrong_with(const Plan& plan) {
  return test::text_of(check_plan(problem(), plan));
}

SolveOptions work(std::int64_t steps) {
  return {.time_limit = Seconds(3600), .work = steps};
}

const Assignment& line_of(const Plan& plan, const std::string& task) {
  return *std::find_if(plan.assignments.begin(), plan.assignments.end(),
                       [&](const Assignment& it) { return it.task == task; });
}

TEST_CASE("A gang across nodes is a line with further parts") {
  CHECK(wrong_with(good()) == "");
  CHECK(to_text(good()).find(
            R"("node": "n0", "devices": [1], "further": [{"node": "n1", "devices": [0]}], "start)") !=
        std::string::npos);
  const Plan again = parse_plan("plan.json", to_text(good()));
  CHECK(again.assignments[0].further == good().assignments[0].further);
  CHECK(to_text(again) == to_text(good()));
  CHECK(device_seconds(good()) == 16);
  CHECK(where_text(good().assignments[0]) == "n0:1 n1:0");
}

TEST_CASE("What is wrong with further parts in a file is said with its place") {
  const auto error = [](const std::string& further) {
    try {
      (void)parse_plan(
          "plan.json",
          "{\"schema\": \"saturn.plan/1\", \"tasks\": [\n  {\"task\": \"a\", \"parallelism\": \"ddp\", "
          "\"node\": \"n0\", \"devices\": [0], \"further\": " +
              further + "}]}");
    } catch (const InputError& wrong) {
      std::string text = wrong.what(), result;
      for (size_t at = 0; (at = text.find("error: ", at)) != std::string::npos; ++at)
        result += text.substr(at, text.find('\n', at) - at) + "\n";
      CHECK(text.starts_with("plan.json:2:"));
      return result;
    }
    return std::string();
  };
  CHECK(error("7").find("'further' must be a list") != std::string::npos);
  CHECK(error(R"([{"devices": [0]}, {"node": "n1", "device": [0]}])") ==
        "error: task 'a': a part of 'further': missing key 'node'\n"
        "error: task 'a': a part of 'further': missing key 'devices'\n"
        "error: task 'a': a part of 'further': unknown key 'device' (did you mean 'devices'?)\n");
}

TEST_CASE("Parts of a gang are checked one by one and together") {
  Plan plan = good();
  plan.assignments[0].further = {{"n0", {0}}};
  CHECK(wrong_with(plan) ==
        "plan.json:10:5: error: task 'a' has two parts on node 'n0'\n"
        "plan.json:11:5: error: task 'a' and task 'b' both use device 0 of node 'n0' from 0.0 s to 3.0 s\n");
  plan.assignments[0].further = {{"n1", {0, 1}}};
  CHECK(
      wrong_with(plan) ==
      "plan.json:10:5: error: task 'a' has 2 on node 'n1', but 1 on node 'n0': each node of a gang has as "
      "many\n"
      "plan.json:10:5: error: task 'a' was not measured as ddp on 3 x cpu over 2 nodes; it was as ddp on 2 x "
      "cpu over 2 nodes\n"
      "plan.json:12:5: error: task 'a' and task 'c' both use device 1 of node 'n1' from 0.0 s to 4.0 s\n");
  plan.assignments[0].further = {{"n1", {2}}};
  CHECK(wrong_with(plan) == "plan.json:10:5: error: task 'a': node 'n1' has no device 2; it has 2\n");
  plan.assignments[0].further = {{"n2", {0}}};
  CHECK(wrong_with(plan) == "plan.json:10:5: error: task 'a': there is no node 'n2' (did you mean 'n0'?)\n");
  plan.assignments[0].further = {};
  CHECK(wrong_with(plan) ==
        "plan.json:10:5: error: task 'a' was not measured as ddp on 1 x cpu; it was as ddp on 2 x cpu over 2 "
        "nodes\n");
  Problem mixed = problem();
  mixed.nodes[1].kind = "gpu";
  CHECK(test::text_of(check_plan(mixed, good()))
            .find("task 'a' is on cpu of node 'n0' and on gpu of node 'n1'") != std::string::npos);
  Problem busy = problem();
  busy.nodes[1].free_at_seconds = {1, 0};
  CHECK(test::text_of(check_plan(busy, good())) ==
        "plan.json:10:5: error: task 'a' starts at 0.0 s, but device 0 of node 'n1' is in use until 1.0 s\n");
}

TEST_CASE("An edited plan is made whole with all parts of its gangs") {
  Plan plan = good();
  plan.assignments = {plan.assignments[1], plan.assignments[2], plan.assignments[0],
                      line("d", "n1", {0}, 0, 1)};
  plan.assignments[2].further = {{"n1", {1}}};
  plan.assignments[2].duration_known = false;
  Problem more = problem();
  more.tasks.push_back(test::task("d", {{1, 1.0}}));
  const Completion completion = complete(more, plan);
  CHECK(plan.assignments[2].start_seconds == 5);  // after c on the other node
  CHECK(plan.assignments[2].duration_seconds == 4);
  CHECK(plan.makespan_seconds == 9);
  CHECK(completion.retimed.size() == 1);
}

TEST_CASE("A task that fits only across nodes is planned so, beside the others") {
  const Plan plan = solve(problem(), work(200000));
  CHECK(test::text_of(check_plan(problem(), plan)) == "");
  CHECK(line_of(plan, "a").further.size() == 1);
  CHECK(plan.makespan_seconds == 5);
  CHECK(plan.gap == 0);
  CHECK(plan.baseline_seconds == 7);  // a for 4 s on both nodes, then b and c beside each other
}

TEST_CASE("A gang goes across nodes where that pays, and not where it does not") {
  Problem two = problem();
  two.tasks = {test::task("a", {{2, 10.0}})};
  two.tasks[0].configurations.push_back(across(2, 2, 6));
  const Plan wide = solve(two, work(200000));
  CHECK(wide.makespan_seconds == 6);
  CHECK(wide.gap == 0);
  CHECK(line_of(wide, "a").further == std::vector<NodeDevices>{{"n1", {0, 1}}});
  two.tasks.push_back(two.tasks[0]);
  two.tasks[1].name = "b";
  const Plan narrow = solve(two, work(200000));
  CHECK(narrow.makespan_seconds == 10);
  CHECK(line_of(narrow, "a").further.empty());
  CHECK(line_of(narrow, "b").further.empty());
}

/// Eight nodes of four devices, 48 tasks that get a little less efficient with every doubling of their
/// devices, and eight large ones that go across two nodes, or four; half of these cannot be on one.
Problem large() {
  Problem result;
  for (int n = 0; n < 8; ++n) result.nodes.push_back(test::node("n" + std::to_string(n), 4));
  for (int t = 0; t < 56; ++t) {
    const bool is_large = t < 8;
    const double work = (is_large ? 1200.0 : 200.0) + 37 * (t * 29 % 23);
    ProblemTask task = test::task("t" + std::to_string(t), {});
    double speed = 1;
    for (int devices = 1; devices <= 16; devices *= 2, speed *= 1.8) {
      if (devices <= 4 && !(is_large && t % 2 == 0))
        task.configurations.push_back({"ddp", {}, "cpu", devices, work / speed});
      if (devices > 4 && is_large) task.configurations.push_back(across(devices / 4, 4, work / speed));
    }
    result.tasks.push_back(std::move(task));
  }
  return result;
}

TEST_CASE("A way across nodes that is no better than one on a node changes nothing") {
  Problem problem;
  problem.nodes = {test::node("n0", 2), test::node("n1", 2)};
  for (const char* name : {"a", "b", "c", "d", "e"})
    problem.tasks.push_back(test::task(name, {{1, 5.0 + name[0] % 7}, {2, 3.5 + name[0] % 7 * 0.6}}));
  const Plan before = solve(problem, work(1000000));
  for (ProblemTask& it : problem.tasks) it.configurations.push_back(across(2, 2, 20));
  const Plan plan = solve(problem, work(1000000));
  CHECK(plan.gap == 0);
  CHECK(to_text(plan).substr(0, to_text(plan).find("baseline")) ==
        to_text(before).substr(0, to_text(before).find("baseline")));
}

TEST_CASE("Plans of many tasks come near to the bound, and the same work makes the same plan") {
  const Plan plan = solve(large(), work(20000000));
  CHECK(test::text_of(check_plan(large(), plan)) == "");
  CHECK(plan.gap < 0.06);
  MESSAGE("makespan ", plan.makespan_seconds, ", bound ", plan.lower_bound_seconds);
  CHECK(to_text(plan) == to_text(solve(large(), work(20000000))));
}

TEST_CASE("Who listens hears of better plans and bounds, and of the plan that is returned") {
  SolveOptions options = work(3000000);
  double value = 1e9, bound = 0;
  bool falls = true, rises = true, holds = true;
  options.on_progress = [&](const SolveProgress& now) {
    falls = falls && *now.value <= value + 1e-9;
    rises = rises && now.bound >= std::min(bound, *now.value) - 1e-9;
    holds = holds && now.bound <= *now.value + 1e-9;
    value = *now.value;
    bound = now.bound;
  };
  const Plan plan = solve(large(), options);
  CHECK(falls);
  CHECK(rises);
  CHECK(holds);
  CHECK(value == doctest::Approx(plan.makespan_seconds));
  CHECK(bound == doctest::Approx(plan.lower_bound_seconds));
}

TEST_CASE("Without time there is a plan all the same, and a cancelled search gives one") {
  CHECK(test::text_of(check_plan(problem(), solve(problem(), {.time_limit = Seconds(0)}))) == "");
  const std::atomic<bool> cancel = true;
  CHECK(test::text_of(check_plan(problem(), solve(problem(), {.cancel = &cancel}))) == "");
}

TEST_CASE("Problems that cannot be solved say why") {
  const auto error = [](const Problem& wrong) {
    try {
      (void)solve(wrong, work(1000));
    } catch (const InputError& it) {
      return std::string(it.what());
    }
    return std::string();
  };
  Problem wrong = problem();
  wrong.tasks[0].configurations = {across(3, 1, 4)};
  CHECK(error(wrong) ==
        "error: task 'a' fits on no node: it needs 3 x cpu over 3 nodes; there is 'n0' 2 x cpu, 'n1' 2 x "
        "cpu");
  wrong = problem();
  wrong.tasks[0].configurations[0].devices = 3;
  CHECK(error(wrong).find("3 devices on 2 nodes are not as many on each") != std::string::npos);
  wrong = problem();
  wrong.tasks[0].pin = Pin{0, 0, {0}, {}, {}, {{0, {1}}}};
  CHECK(error(wrong).find("task 'a' is pinned to node 'n0' twice") != std::string::npos);
  wrong = problem();
  wrong.tasks[0].running = Running{0, {0}, across(2, 1, 2), {{1, {5}}}};
  CHECK(error(wrong).find("task 'a' runs on device 5 of node 'n1', which has 2") != std::string::npos);
  wrong = problem();
  wrong.tasks[0].pin = Pin{0, 0, {0}, 1.0, {}, {{1, {1}}}};
  wrong.tasks[1].pin = Pin{0, 1, {1}, 2.0};
  CHECK(error(wrong).find("its devices are in use then by other pinned tasks") != std::string::npos);
}

Plan pinned_to(PinnedParts parts) {
  Plan plan = good();
  plan.assignments[0] = line("a", "n1", {1}, 2.5, 4, {{"n0", {0}}});
  plan.assignments[0].pinned = parts;
  return plan;
}

Plan solve_with(const Plan& pins) {
  Problem pinned = problem();
  apply_pins(pinned, pins);
  const Plan plan = solve(pinned, work(200000));
  CHECK(test::text_of(check_plan(pinned, plan)) == "");
  return plan;
}

TEST_CASE("What is pinned of a line across nodes is kept") {
  const Plan whole = solve_with(pinned_to(PinnedParts::whole()));
  CHECK(where_text(line_of(whole, "a")) == "n1:1 n0:0");
  CHECK(line_of(whole, "a").start_seconds == 2.5);
  CHECK(whole.makespan_seconds == 6.5);
  const Plan placed = solve_with(pinned_to({true, true, true, false, false}));
  CHECK(where_text(line_of(placed, "a")) == "n1:1 n0:0");
  CHECK(placed.makespan_seconds == 5);
  const Plan on_nodes = solve_with(pinned_to({false, true, false, false, false}));
  CHECK(line_of(on_nodes, "a").node == "n1");
  CHECK(line_of(on_nodes, "a").further.at(0).node == "n0");
  const Plan configured = solve_with(pinned_to({true, false, false, false, false}));
  CHECK(line_of(configured, "a").further.size() == 1);
  CHECK(configured.makespan_seconds == 5);
}

TEST_CASE("The order of pinned lines holds on all their nodes") {
  Plan plan = good();
  plan.assignments = {line("b", "n1", {1}, 0, 3), line("a", "n0", {0}, 0, 4, {{"n1", {1}}}),
                      line("c", "n0", {0}, 0, 5)};
  for (Assignment& it : plan.assignments) it.pinned = PinnedParts::but_for_start();
  CHECK(pinned_order(plan) == std::vector<std::vector<size_t>>{{}, {0}, {1}});
  const Plan solved = solve_with(plan);
  CHECK(line_of(solved, "b").start_seconds == 0);
  CHECK(line_of(solved, "a").start_seconds == 3);
  CHECK(line_of(solved, "c").start_seconds == 7);
  CHECK(solved.makespan_seconds == 12);
  plan.assignments[1].further = {{"n1", {0}}};
  CHECK(pins_hash(plan) != pins_hash(solved));
}

TEST_CASE("Pins to what was not measured, or is not there, are said") {
  const auto error = [](const Plan& plan) {
    Problem pinned = problem();
    try {
      apply_pins(pinned, plan);
    } catch (const InputError& wrong) {
      return std::string(wrong.what());
    }
    return std::string();
  };
  Plan plan = pinned_to(PinnedParts::whole());
  plan.assignments[0].further = {{"n9", {0}}};
  CHECK(error(plan).find("task 'a' is pinned to node 'n9', which there is not") != std::string::npos);
  plan = pinned_to(PinnedParts::whole());
  plan.assignments[0].further.clear();
  CHECK(error(plan).find(
            "is pinned to ddp on 1 device(s), which was not measured; it was as ddp on 2 over 2 nodes") !=
        std::string::npos);
}

TEST_CASE("A gang that runs across nodes may stay, or move") {
  Problem running = problem();
  running.tasks[0].running = Running{0, {0}, across(2, 1, 1), {{1, {1}}}};
  const Plan plan = solve(running, work(200000));
  CHECK(test::text_of(check_plan(running, plan)) == "");
  CHECK(stays(running, line_of(plan, "a")));
  Plan edited = plan;
  for (Assignment& it : edited.assignments) it.duration_known = it.start_known = false;
  complete(running, edited);
  CHECK(stays(running, line_of(edited, "a")));
  running.tasks[0].running->staying.duration_seconds = 50;
  CHECK_FALSE(stays(running, line_of(solve(running, work(200000)), "a")));
}

TEST_CASE("Baselines take as many nodes as a gang needs") {
  for (const Baseline& baseline : baselines(problem(), 1)) {
    CAPTURE(baseline.name);
    CHECK(test::text_of(check_plan(problem(), baseline.plan)) == "");
    CHECK(line_of(baseline.plan, "a").further.size() == 1);
  }
}

TEST_CASE("A budget counts all devices of a gang") {
  Problem limited = problem();
  limited.budget.seconds = 4.5;
  const Plan plan = solve(limited, work(300000));
  CHECK(test::text_of(check_plan(limited, plan)) == "");
  int within = 0;
  for (const Assignment& it : plan.assignments) within += it.beyond_budget ? 0 : 1;
  CHECK(within == 2);  // c takes too long beside a
  limited.budget = {};
  limited.budget.device_seconds = 12;
  const Plan cheap = solve(limited, work(300000));
  within = 0;
  for (const Assignment& it : cheap.assignments) within += it.beyond_budget ? 0 : 1;
  CHECK(within == 2);  // a takes 8 device-seconds
}

TEST_CASE("Explanations follow a gang to all its nodes") {
  const Plan plan = plan_of(
      {line("b", "n1", {1}, 0, 3), line("a", "n0", {0}, 3, 4, {{"n1", {1}}}), line("c", "n0", {0}, 7, 5)});
  const CriticalPath path = critical_path(plan);
  CHECK(path.chain == std::vector<size_t>{0, 1, 2});
  const std::vector<IdleSpan> idle = idle_spans(problem(), plan);
  CHECK(std::any_of(idle.begin(), idle.end(), [](const IdleSpan& span) {
    return span.node == "n0" && span.task == "a" && span.why == IdleSpan::Why::kGang &&
           span.waiting_for == std::vector<std::string>{"b"};
  }));
  Problem two = problem();
  two.tasks[1].configurations.push_back(across(2, 1, 1));
  const Plan solved = solve(two, work(200000));
  const Explanation explanation = explain(two, solved, {.time_limit = Seconds(1)});
  for (const TaskExplanation& task : explanation.tasks)
    for (const ConfigurationConsequence& it : task.configurations)
      CHECK(it.consequence.how != Consequence::How::kImpossible);
  Plan moved = good();
  moved.assignments[0].further = {{"n1", {1}}};
  const PlanComparison comparison = compare(good(), moved);
  REQUIRE(comparison.differences.size() == 1);
  CHECK(comparison.differences[0].devices);
  CHECK_FALSE(comparison.differences[0].node);
}

}  // namespace
}  // namespace saturn::across_test
